"""Who was heard, what they last said, and no more of them than fit."""

from ipaddress import ip_address

from sidecar.carp.packet import Advertisement
from sidecar.carp.peers import Peer, PeerTable
from sidecar.carp.receive import Speaker
from tests.unit.carp.told import OTHER, PEER, PEER6


def said(advbase: int = 1, advskew: int = 0, demote: int = 0) -> Advertisement:
    return Advertisement(1, advbase, advskew, demote, 0, b"")


def heard(table: PeerTable, source: bytes, advertisement: Advertisement, now: float = 0.0) -> Peer:
    return table.hear(source, Speaker.BSD, advertisement, 1, now)


def test_the_last_word_of_a_peer_is_kept() -> None:
    table = PeerTable()
    heard(table, PEER, said(1, 20))
    peer = table.hear(PEER, Speaker.UCARP, said(2, 40, 3), 2, 5.0)
    assert (peer.advbase, peer.advskew, peer.demote, peer.heard_at, peer.key) == (2, 40, 3, 5.0, 2)
    assert peer.speaker is Speaker.UCARP
    assert table.all() == [peer]


def test_a_goodbye_keeps_what_was_said_before_it() -> None:
    table = PeerTable()
    heard(table, PEER, said(1, 20, 1))
    peer = heard(table, PEER, said(255, 255), 3.0)
    assert (peer.left, peer.advbase, peer.advskew, peer.demote, peer.heard_at) == (True, 1, 20, 1, 3.0)
    assert table.all() == [peer]


def test_a_peer_that_speaks_again_is_back() -> None:
    table = PeerTable()
    heard(table, PEER, said(255, 255))
    peer = heard(table, PEER, said(1, 20))
    assert (peer.left, peer.advskew) == (False, 20)
    assert table.all() == [peer]


def test_the_one_that_was_silent_for_longest_comes_first() -> None:
    table = PeerTable()
    heard(table, PEER, said())
    heard(table, OTHER, said())
    heard(table, PEER, said())
    assert [peer.source for peer in table.all()] == [OTHER, PEER]


def test_sixty_four_sources_are_remembered_and_the_most_silent_makes_room() -> None:
    table = PeerTable()
    for number in range(70):
        heard(table, number.to_bytes(4, "big"), said())
    assert [int.from_bytes(peer.source, "big") for peer in table.all()] == list(range(6, 70))


def test_a_peer_is_described_by_address_and_by_what_it_says() -> None:
    table = PeerTable()
    assert heard(table, PEER, said(1, 20)).describe() == "192.0.2.1 (advbase 1, advskew 20)"
    assert heard(table, PEER6, said(1, 20, 3)).describe() == "fe80::1 (advbase 1, advskew 20, demoted 3)"
    assert heard(table, PEER, said()).address == str(ip_address(PEER))
