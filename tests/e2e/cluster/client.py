"""An NTP client outside the cluster: a machine of its own on the same segment, the laboratory's client in it."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import sidecar.lab.client
from sidecar.lab.outcomes import Outcomes
from tests.e2e.cluster.layout import CLIENT_ADDRESS, ClusterError, Layout
from tests.e2e.cluster.network import add_machine
from tests.e2e.cluster.shell import environment, in_network, run, wait_for

PROGRAM = Path(sidecar.lab.client.__file__)
HEARD_SECONDS = 60.0


class Client:
    """The machine; `ask` starts asking."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.address = CLIENT_ADDRESS

    def plug_in(self) -> None:
        add_machine(self.layout, self.layout.client, "client", self.address)

    def command(self, *argv: str) -> list[str]:
        return [*in_network(self.layout.client), *argv]

    def exec(self, *argv: str, timeout: float = 60.0, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a command on the client's machine."""
        return run(self.command(*argv), timeout=timeout, check=check)

    def ask(
        self, *addresses: str, rate: float = 50.0, seconds: float = 3600.0, nodes: Mapping[str, str] | None = None
    ) -> "Asking":
        """Ask the addresses for the time, `rate` times a second all together. `nodes`: names by NTP reference id."""
        words = [*addresses, "--rate", str(rate), "--seconds", str(seconds)]
        return Asking(self.command(sys.executable, str(PROGRAM), *words), addresses, nodes or {})


class Asking:
    """A client at work, until `stop` or the end of the `with`. `outcomes` says what its queries have come to."""

    def __init__(self, command: Sequence[str], addresses: Sequence[str], nodes: Mapping[str, str]) -> None:
        self.outcomes = Outcomes(list(addresses), nodes)
        self.lines: list[str] = []
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment())
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._lock:
                self.lines.append(line)
                self.outcomes.feed(json.loads(line))

    def wait_until_heard(self, address: str, seconds: float = HEARD_SECONDS) -> None:
        """Return at the first good answer of the address."""
        wait_for(f"an NTP answer from {address}", lambda: self.outcomes.hears(address) is not None, seconds, 0.02)

    def longest_silence(self, address: str) -> float:
        """Seconds of the longest time without a good answer so far, one that lasts still included."""
        with self._lock:
            gap, last = self.outcomes.longest.get(address), self.outcomes.heard.get(address)
            if last is None:
                raise ClusterError(f"{address} has never answered")
            return max(gap.seconds if gap else 0.0, self.outcomes.now - last.at)

    def reset(self) -> None:
        """Count from here on."""
        with self._lock:
            self.outcomes.reset()

    def stop(self) -> Outcomes:
        """Stop asking, half a second after the last question."""
        if self._process.poll() is None:
            time.sleep(0.5)
            self._process.send_signal(signal.SIGINT)
        self._process.wait(20)
        self._reader.join(20)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self.outcomes.finish()
        return self.outcomes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
