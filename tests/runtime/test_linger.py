"""Letting go a moment later: undone by holding again, at once where nothing is held, and never later than promised."""

import asyncio
import ipaddress
import logging

import pytest

from sidecar.app.linger import LINGER, Lingering
from sidecar.carp.config import Address

ADDRESSES: tuple[Address, ...] = (ipaddress.ip_address("192.0.2.10"),)


class Keeper:
    """A kernel that does as it is told, unless it has a reason."""

    def __init__(self, reason: str | None = None) -> None:
        self.held: tuple[Address, ...] = ()
        self.released = 0
        self.reason = reason

    def hold(self, addresses: tuple[Address, ...]) -> str | None:
        self.held = addresses
        return None

    def renew(self) -> str | None:
        return None

    def release(self) -> str | None:
        self.held = ()
        self.released += 1
        return self.reason


def played(keeper: Keeper, *, again: bool = False) -> tuple[bool, bool]:
    """Whether it holds right after it was told to let go, and a moment later."""

    async def play() -> tuple[bool, bool]:
        addresses = Lingering(keeper)
        addresses.hold(ADDRESSES)
        addresses.release()
        at_once = bool(addresses.held)
        if again:
            addresses.hold(ADDRESSES)
        await asyncio.sleep(LINGER + 0.1)
        return at_once, bool(addresses.held)

    return asyncio.run(play())


def test_it_still_holds_for_a_moment() -> None:
    assert played(Keeper()) == (True, False)


def test_who_holds_again_meanwhile_keeps_them() -> None:
    keeper = Keeper()
    assert played(keeper, again=True) == (True, True)
    assert keeper.released == 0


def test_where_nothing_is_held_nothing_is_waited_for() -> None:
    keeper = Keeper()
    Lingering(keeper).release()
    assert keeper.released == 1


def test_a_kernel_that_does_not_let_go_is_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        played(Keeper("no permission"))
    assert "does not let go of the addresses: no permission" in caplog.text
