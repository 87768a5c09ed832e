"""What the Kubernetes API can do to us, told apart by what is to be done about it. The cause is always chained."""

from typing import Final

from sidecar.errors import SidecarError

_LONGEST: Final = 300
"""Characters of an answer that are worth a line in a log."""


class WireError(SidecarError):
    """A line between the two processes that is not one of ours."""


class KubeError(SidecarError):
    """A request that failed. ``retry_after``: seconds that the server asks us to wait, else None."""

    def __init__(self, what: str, detail: str = "", *, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(shorten(f"{what}: {detail}" if detail else what))


class UnreachableError(KubeError):
    """No answer: refused, reset, no route, bad certificate."""


class TimedOutError(UnreachableError):
    """No answer in time; the request may have been carried out."""


class GarbledError(KubeError):
    """An answer that is no Kubernetes object."""


class UnauthorizedError(KubeError):
    """401: the token is not, or no longer, good. It is read again before the next request."""


class ForbiddenError(KubeError):
    """403: the role does not allow it. Asking again soon is useless."""


class NotFoundError(KubeError):
    """404."""


class ChangedError(KubeError):
    """409 or 422 on a precondition: somebody was faster. Read again and decide again."""


class ExpiredError(KubeError):
    """410: the past asked for is forgotten. Start anew."""


class RefusedError(KubeError):
    """400, 405, 413, 415, 422: the request is wrong or an admission policy denies it."""


class BusyError(KubeError):
    """429: too many requests."""


class ServerFailedError(KubeError):
    """5xx."""


_BY_STATUS: Final[dict[int, type[KubeError]]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ChangedError,
    410: ExpiredError,
    429: BusyError,
}


def of_status(status: int, what: str, detail: str, retry_after: float | None) -> KubeError:
    """The error that an HTTP status of 300 and above stands for."""
    kind = _BY_STATUS.get(status) or (ServerFailedError if status >= 500 else RefusedError)
    return kind(f"{what}: HTTP {status}", detail, retry_after=retry_after)


def shorten(text: str) -> str:
    """On one line, and no longer than a log can bear."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
