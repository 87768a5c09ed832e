"""`python -m sidecar.settings`: judges what stands on standard input and tells standard output (``apart``)."""

import json
import pickle
import sys

from sidecar.settings.load import load
from sidecar.settings.problems import ConfigErrors
from sidecar.settings.values import RunSettings

flags, environ = json.load(sys.stdin)
answer: RunSettings | list[tuple[str, object, str, str]]
try:
    answer = load(flags, environ)
except ConfigErrors as wrong:
    answer = [(one.key, one.value, one.rule, one.fix) for one in wrong.errors]
sys.stdout.buffer.write(pickle.dumps(answer))
