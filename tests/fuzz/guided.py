"""One target under libFuzzer, as a process of its own: `python -m tests.fuzz.guided TARGET [libFuzzer's arguments]`.

Only what is imported after this module began is watched for coverage: the product, and nothing else.
"""

import logging
import shlex
import sys

import atheris

from tests.fuzz.targets import TARGETS


def main() -> None:
    """Does not come back: libFuzzer ends the process, with 0 when its time is over and another code at a fault."""
    target = TARGETS[sys.argv.pop(1)]
    logging.getLogger("sidecar").addHandler(logging.NullHandler())
    logging.getLogger("sidecar").propagate = False
    with atheris.instrument_imports(include=["sidecar", "yaml"]):
        run, grow = target.load(), target.load_grow()
    more = {"custom_mutator": grow} if grow else {}
    # By a shell libFuzzer starts this command again for each part of a merge.
    sys.argv[0] = shlex.join([sys.executable, "-m", "tests.fuzz.guided", target.name])
    atheris.Setup(sys.argv, run, **more)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
