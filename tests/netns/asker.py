"""A client that asks the address for the time again and again, on a node of its own, and what it wrote down."""

import itertools
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from sidecar.lab import client
from tests.netns.group import V4, Group, until


class Asker:
    """The lab's NTP client: ``rate`` questions a second for so many seconds."""

    def __init__(self, group: Group, seconds: float, rate: float = 100.0, address: str = V4) -> None:
        node = group.network.add_node("asker", 200)
        self._out = group.folder / "asker.jsonl"
        command = [sys.executable, str(Path(client.__file__)), address, "--rate", f"{rate}", "--seconds", f"{seconds}"]
        self.process = node.spawn(command, log=self._out)
        until(lambda: self.answered() > 0, 10, "the first answer")

    def answered(self) -> int:
        """How many answers came."""
        return sum(len(json.loads(line)["r"]) for line in self._reports())

    def _reports(self) -> list[str]:
        """Whole lines only."""
        return self._out.read_text().split("\n")[:-1] if self._out.exists() else []

    def unanswered(self) -> list[float]:
        """When each question was asked that got no answer, by monotonic seconds; what is answered in time is not."""
        asked: dict[int, float] = {}
        for line in self._reports():
            report = json.loads(line)
            asked |= {number: at for number, at, _ in report["q"]}
            for number, *_ in report["r"]:
                asked.pop(number, None)
        return list(asked.values())

    def longest_silence(self, since: float) -> float:
        """Seconds between two answers that came, at most, from then until now."""
        came = sorted(at for line in self._reports() for _, at, *_ in json.loads(line)["r"] if at > since)
        moments: Sequence[float] = [since, *came, time.monotonic()]
        return max(later - earlier for earlier, later in itertools.pairwise(moments))

    def ended(self) -> None:
        """Wait until it has asked all its questions."""
        assert self.process.wait(60) == 0
