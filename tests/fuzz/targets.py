"""What can be fuzzed, by name. Importing a target imports what it tests, so this file imports neither."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).parent
BUILD = Path("build/fuzz")


@dataclass(frozen=True)
class Target:
    """A function of bytes that raises where it finds a fault, in a module of this folder; ``longest`` input in bytes.

    ``grow``: a function of the same module that makes another input from one: bytes, most bytes, seed.
    """

    name: str
    module: str
    longest: int
    grow: str | None = None

    def __str__(self) -> str:
        return self.name

    @property
    def corpus(self) -> Path:
        """Inputs to begin with, kept in the repository; each covers something that the others do not."""
        return HERE / "corpus" / self.name

    @property
    def words(self) -> Path | None:
        """A dictionary in libFuzzer's form, where one helps."""
        path = HERE / "words" / f"{self.name}.dict"
        return path if path.exists() else None

    def load(self) -> Callable[[bytes], None]:
        """The function."""
        found: Callable[[bytes], None] = getattr(import_module(f"tests.fuzz.{self.module}"), self.name)
        return found

    def load_grow(self) -> Callable[[bytes, int, int], bytes] | None:
        """What makes other inputs, if it has something of its own for it."""
        found: Callable[[bytes, int, int], bytes] | None = (
            getattr(import_module(f"tests.fuzz.{self.module}"), self.grow) if self.grow else None
        )
        return found


TARGETS = {
    target.name: target
    for target in (
        Target("receive", "receive", 1200, grow="grow"),
        Target("ntp", "inputs", 400),
        Target("settings", "inputs", 2000),
        Target("control", "clients", 5000),
        Target("http", "clients", 9000),
        Target("capture", "inputs", 2000),
    )
}
