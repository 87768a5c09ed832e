"""How a broken promise is told."""


class BrokenPromiseError(AssertionError):
    """What was promised, and what happened instead."""


def promise(kept: object, number: int, text: str) -> None:
    """Raise when a promise is broken."""
    if not kept:
        raise BrokenPromiseError(f"promise {number}: {text}")
