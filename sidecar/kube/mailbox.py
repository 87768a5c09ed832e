"""Where the threads of the notice board meet: the latest of each thing, and a bell. Nothing is queued."""

import threading
from dataclasses import dataclass, field

from sidecar.kube.facts import DaemonSet, Node, Pod
from sidecar.kube.wire import Notice


@dataclass(slots=True)
class Seen:
    """The latest of everything; None: nothing seen yet, or it is not there."""

    notice: Notice | None = None
    pod: Pod | None = None
    node: Node | None = None
    daemonset: DaemonSet | None = None


@dataclass(slots=True)
class Mailbox:
    """Put from any thread, taken by one."""

    _seen: Seen = field(default_factory=Seen)
    _bell: threading.Condition = field(default_factory=threading.Condition)
    _rung: bool = False
    _errors: int = 0
    _last_error: str = ""

    def put(self, news: Notice | Pod | Node | DaemonSet) -> None:
        """Replace what was there of its kind."""
        with self._bell:
            match news:
                case Notice():
                    self._seen.notice = news
                case Pod():
                    self._seen.pod = news
                case Node():
                    self._seen.node = news
                case DaemonSet():
                    self._seen.daemonset = news
            self._rung = True
            self._bell.notify_all()

    def failed(self, text: str) -> None:
        """Count a failed request."""
        with self._bell:
            self._errors += 1
            self._last_error = text

    @property
    def errors(self) -> tuple[int, str]:
        """How many requests failed, and the last of them."""
        with self._bell:
            return self._errors, self._last_error

    def look(self) -> Seen:
        """Everything, and the bell is silent again."""
        with self._bell:
            self._rung = False
            return Seen(self._seen.notice, self._seen.pod, self._seen.node, self._seen.daemonset)

    def wait(self, seconds: float | None) -> None:
        """Until something is put, or these seconds."""
        with self._bell:
            self._bell.wait_for(lambda: self._rung, seconds)

    def wait_for_pod(self) -> Pod:
        """The pod, once it was seen."""
        with self._bell:
            self._bell.wait_for(lambda: self._seen.pod is not None)
            assert self._seen.pod is not None
            return self._seen.pod
