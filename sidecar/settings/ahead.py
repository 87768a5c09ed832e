"""The process that judges the settings, begun before anything else: it is what a start waits for longest.

So this imports nothing but what the interpreter has brought along: whatever came first would delay every start.
"""

import os
import sys

from sidecar.errors import ExhaustedError

_JUDGE = "import sys; sys.path[:] = sys.argv[1:]; from sidecar.settings.judge import main; main()"
_QUICK = {"PYDANTIC_DISABLE_PLUGINS": "__all__"}
"""It would look for plugins through everything that is installed."""


class Judge:
    """Gets ready at once; ``ask`` and then ``answer``, once. ``close`` may come at any time, and again.

    It finds what this process finds, without looking for it anew (``site``), and has a group of its own: what is typed
    to end the daemon is not for it. ``ExhaustedError`` when there is no process to be had.
    """

    def __init__(self) -> None:
        try:
            self._start()
        except (OSError, MemoryError) as error:
            raise ExhaustedError(f"no process to read the settings: {error}") from error

    def _start(self) -> None:
        ends: list[int] = []
        try:
            ends += os.pipe()
            ends += os.pipe()
            asked, question, answer, told = ends
            argv = [sys.executable, "-I", "-S", "-c", _JUDGE, *sys.path]
            streams = [(os.POSIX_SPAWN_DUP2, asked, 0), (os.POSIX_SPAWN_DUP2, told, 1)]
            self.pid = os.posix_spawn(
                argv[0], argv, {**os.environ, **_QUICK}, file_actions=streams, setpgroup=0, setsigmask=()
            )
        except BaseException:
            for one in ends:
                os.close(one)
            raise
        os.close(asked)
        os.close(told)
        self._question, self._answer = os.fdopen(question, "wb"), os.fdopen(answer, "rb")

    def ask(self, question: bytes) -> None:
        """Now, so that it need not wait for ``answer``; who ended early has no ear, and its exit code tells."""
        try:
            with self._question as stream:
                stream.write(question)
        except BrokenPipeError:
            pass

    def answer(self) -> tuple[bytes, int]:
        """What it said, and its exit code, below 0 for a signal."""
        return self._answer.read(), self.close()

    def close(self) -> int:
        """Wait for its end, which comes at once when nothing was asked; its exit code."""
        for stream in (self._question, self._answer):
            stream.close()
        if self.pid:
            self.pid, status = 0, os.waitpid(self.pid, 0)[1]
            self._code = os.waitstatus_to_exitcode(status)
        return self._code
