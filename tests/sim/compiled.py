"""The same stories at twice the speed: the core and the simulator as machine code, by mypyc, in the cache.

python -m tests.sim.compiled SEED | FIRST-LAST | SCRIPT.jsonl      as tests.sim.play has them

It needs a C compiler and Python's headers, and half a minute when a line has changed.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "carp-sidecar" / "simulator"
HOT: Final = (
    "adversary", "arithmetic", "bsd", "causes", "cluster", "engine", "fates", "invariants", "kernel", "network", "node",
    "picture", "watch", "wire",
)  # fmt: skip
"""What is compiled of the simulator; the rest is not hot, or more than mypyc takes."""
BUILD: Final = """
import inspect, sys
from mypyc.build import mypycify
from setuptools import setup

class Lenient(inspect.Signature):
    'mypyc writes signatures for its docstrings that inspect would refuse.'
    def __init__(self, parameters=None, **options):
        super().__init__(parameters, **(options | {"__validate_parameters__": False}))

inspect.Signature = Lenient
setup(name="simulator", ext_modules=mypycify(sys.argv[1:]), script_args=["-q", "build_ext", "--inplace"])
"""


def sources() -> list[Path]:
    """Everything that a story is played by, relative to the checkout."""
    rooms = ("sidecar", "sidecar/carp", "tests/sim")
    return sorted(path.relative_to(ROOT) for room in rooms for path in (ROOT / room).glob("*.py"))


def copied() -> Path:
    """The copy of these sources, compiled. One whose build broke off is built again."""
    digest = hashlib.sha256(b"".join(str(path).encode() + (ROOT / path).read_bytes() for path in sources()))
    place = CACHE / digest.hexdigest()[:16]
    if not (place / "built").exists():
        shutil.rmtree(CACHE, ignore_errors=True)
        for path in sources():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, place / path)
        for package in ("tests", "tests/sim"):
            (place / package / "__init__.py").touch()
        _build(place)
        (place / "built").touch()
    return place


def _build(place: Path) -> None:
    core = [str(path) for path in sources() if path.parent.name == "carp"]
    hot = [f"tests/sim/{name}.py" for name in HOT]
    subprocess.run([sys.executable, "-c", BUILD, *core, *hot], cwd=place, check=True)


if __name__ == "__main__":
    os.chdir(copied())
    os.execv(sys.executable, [sys.executable, "-m", "tests.sim.play", *sys.argv[1:]])
