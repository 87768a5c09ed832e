"""The protocol's arithmetic: intervals, patience, and what demotion does to them."""

from ipaddress import ip_address

import pytest

from sidecar.carp.config import Config, Dialect, Family, interval_us, master_down_us
from tests.unit.carp.told import VIP, VIP6

FREEBSD, OPENBSD = Dialect.FREEBSD, Dialect.OPENBSD


@pytest.mark.parametrize(
    ("advbase", "advskew", "microseconds"),
    [
        (1, 0, 1_000_000),
        (1, 1, 1_003_906),
        (1, 254, 1_992_187),
        (254, 254, 254_992_187),
        (255, 255, 255_996_093),
        (0, 25, 97_656),
        (0, 1, 3_906),
        (0, 0, 3_906),
    ],
)
def test_a_master_advertises_every_advbase_and_advskew_256ths_of_a_second(
    advbase: int, advskew: int, microseconds: int
) -> None:
    assert interval_us(advbase, advskew) == microseconds


@pytest.mark.parametrize(
    ("dialect", "advbase", "advskew", "microseconds"),
    [
        (FREEBSD, 1, 0, 3_000_000),
        (FREEBSD, 1, 100, 3_390_625),
        (FREEBSD, 2, 100, 6_390_625),
        (OPENBSD, 1, 100, 4_171_875),
        (OPENBSD, 1, 254, 5_976_561),
        (FREEBSD, 0, 25, 292_968),
        (OPENBSD, 0, 25, 292_968),
    ],
)
def test_a_backup_waits_three_advbases_and_its_skew_once_or_three_times(
    dialect: Dialect, advbase: int, advskew: int, microseconds: int
) -> None:
    assert master_down_us(advbase, advskew, dialect) == microseconds


@pytest.mark.parametrize(
    ("advskew", "demotion", "effective"),
    [
        (0, 0, 0),
        (20, 80, 100),
        (20, 220, 240),
        (20, 240, 240),
        (0, 1000, 240),
        (240, 1, 240),
        (250, 0, 250),
        (250, 240, 250),
    ],
)
def test_freebsd_s_demotion_adds_to_advskew_up_to_240_and_never_improves_it(
    advskew: int, demotion: int, effective: int
) -> None:
    config = Config(1, VIP, advskew=advskew)
    assert config.effective_advskew(demotion) == effective
    assert config.demote_byte(demotion) == 0


@pytest.mark.parametrize(("demotion", "byte"), [(0, 0), (1, 1), (240, 240), (255, 255), (480, 255)])
def test_openbsd_s_demotion_travels_in_a_byte_of_its_own(demotion: int, byte: int) -> None:
    config = Config(1, VIP, advskew=20, dialect=OPENBSD)
    assert config.effective_advskew(demotion) == 20
    assert config.demote_byte(demotion) == byte


@pytest.mark.parametrize(
    ("dialect", "advskew", "demotion", "handicap"),
    [
        (FREEBSD, 20, 0, 0),
        (FREEBSD, 20, 80, 0),
        (FREEBSD, 20, 219, 0),
        (FREEBSD, 20, 220, 20),
        (FREEBSD, 40, 240, 40),
        (FREEBSD, 250, 0, 0),
        (OPENBSD, 20, 0, 0),
        (OPENBSD, 20, 80, 80),
        (OPENBSD, 20, 480, 255),
    ],
)
def test_what_the_advskew_on_the_wire_does_not_say_is_a_handicap(
    dialect: Dialect, advskew: int, demotion: int, handicap: int
) -> None:
    assert Config(1, VIP, advskew=advskew, dialect=dialect).handicap(demotion) == handicap


@pytest.mark.parametrize(
    ("addresses", "families"),
    [(VIP, (Family.V4,)), (VIP6, (Family.V6,)), (VIP6 + VIP, (Family.V4, Family.V6)), (VIP6 * 2, (Family.V6,))],
)
def test_a_virtual_host_speaks_the_families_of_its_addresses(
    addresses: tuple[object, ...], families: tuple[Family, ...]
) -> None:
    assert Config(1, addresses).families == families  # type: ignore[arg-type]


def test_only_freebsd_signs_link_local_addresses() -> None:
    assert Config(1, VIP).sign_link_local
    assert not Config(1, VIP, dialect=OPENBSD).sign_link_local


def test_configurations_compare_by_value() -> None:
    assert Config(1, (ip_address("192.0.2.10"),)) == Config(1, VIP)
    assert Config(1, VIP, advskew=1) != Config(1, VIP)
