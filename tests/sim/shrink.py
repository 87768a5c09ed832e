"""Delta debugging (Zeller and Hildebrandt, 2002): the fewest happenings that still fail, then short waits.

Deterministic: a script is data, and whatever chance there is has the script's seed.
"""

from collections.abc import Callable, Sequence

from tests.sim.script import Happening, Script

Fails = Callable[[Script], bool]
WAITS = (0.0, 0.1, 1.0, 5.0, 20.0, 70.0)


def shrink(script: Script, fails: Fails) -> Script:
    """The shortest that still ``fails``; the script itself must. Cut off before what comes after the failure."""
    script = script.with_only(_from_late_on(script, fails))
    while True:
        shorter = _with_short_waits(script.with_only(_fewest(script, fails)), fails)
        if shorter == script:
            return script
        script = shorter


def _from_late_on(script: Script, fails: Fails) -> Sequence[Happening]:
    """The end of a long story mostly fails by itself: 1, 2, 4, ... of the last happenings, after a while of peace."""
    length = 1
    while length < len(script.happenings):
        end = [Happening(30.0, "wait"), *script.happenings[-length:]]
        if fails(script.with_only(end)):
            return end
        length *= 2
    return script.happenings


def _fewest(script: Script, fails: Fails) -> Sequence[Happening]:
    """Drop halves, quarters, ... single happenings as long as it still fails; their waits go to the next one."""
    kept = list(script.happenings)
    size = max(1, len(kept) // 2)
    while size:
        start = 0
        while start < len(kept):
            tried = _without(kept, start, start + size)
            if fails(script.with_only(tried)):
                kept = tried
            else:
                start += size
        size //= 2
    return kept


def _without(happenings: Sequence[Happening], start: int, end: int) -> list[Happening]:
    """Time goes on as before without them, for the next one at least."""
    after = list(happenings[end:])
    if after:
        passed = sum(one.wait for one in happenings[start:end])
        after[0] = after[0]._replace(wait=after[0].wait + passed)
    return [*happenings[:start], *after]


def _with_short_waits(script: Script, fails: Fails) -> Script:
    for number, happening in enumerate(script.happenings):
        for wait in (one for one in WAITS if one < happening.wait):
            happenings = list(script.happenings)
            happenings[number] = happening._replace(wait=wait)
            if fails(script.with_only(happenings)):
                script = script.with_only(happenings)
                break
    return script
