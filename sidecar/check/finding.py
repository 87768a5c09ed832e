"""What a check has to say: one line, how bad it is, and what to do about it. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """`run` works, but not as well as it could, or not always."""
    PROBLEM = "problem"
    """`run` would not start, not become master or not be believed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """``subject`` is what was looked at, ``what`` how it is, ``fix`` what to do (empty where nothing is)."""

    level: Level
    subject: str
    what: str
    fix: str = ""

    def __str__(self) -> str:
        """The line."""
        todo = f"; {self.fix}" if self.fix else ""
        return f"{self.level:<8} {self.subject}: {self.what}{todo}"


def ok(subject: str, what: str) -> Finding:
    """Nothing to do."""
    return Finding(Level.OK, subject, what)


def warning(subject: str, what: str, fix: str) -> Finding:
    """Something to think about."""
    return Finding(Level.WARNING, subject, what, fix)


def problem(subject: str, what: str, fix: str) -> Finding:
    """Something to mend first."""
    return Finding(Level.PROBLEM, subject, what, fix)
