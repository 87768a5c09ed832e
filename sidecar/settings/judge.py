"""The other end of ``ahead``: judges what stands on standard input and tells standard output.

What it judges by is imported before the question is there, while the daemon still reads its command line.
"""

import contextlib
import gc
import json
import os
import pickle
import sys


def main() -> None:
    """Answer with ``RunSettings``, or with every problem as a tuple; to end without a question is no failure."""
    gc.disable()  # it ends before there is anything to collect
    import sidecar.settings.model  # noqa: F401 - takes longest
    from sidecar.settings.load import load
    from sidecar.settings.problems import ConfigErrors

    question = sys.stdin.buffer.read()
    if question:
        try:
            answer: object = load(*json.loads(question))
        except ConfigErrors as wrong:
            answer = [(one.key, one.value, one.rule, one.fix) for one in wrong.errors]
        with contextlib.suppress(BrokenPipeError):  # whoever asked has gone
            sys.stdout.buffer.write(pickle.dumps(answer))
            sys.stdout.flush()
    os._exit(0)  # whoever asked waits: nothing is left to tidy up
