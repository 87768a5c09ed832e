"""Events: bodies, series, the bucket, and what is given up."""

from sidecar.kube.teller import BURST, GIVE_UP, REFILL, RESERVED, SAME, Identity, Request, Teller, Telling, micro, unix

AT = 1_767_225_600.25  # 2026-01-01T00:00:00.25Z


def teller() -> Teller:
    return Teller(Identity("time", "carp-abcde", "uid-1"), lambda: 0.5)


def send(teller: Teller, now: float) -> Request | None:
    request = teller.next(now)
    if request is not None:
        teller.done(request, request.name or "event-1", now)
    return request


def test_an_event_says_everything_that_the_api_wants() -> None:
    told = teller()
    told.tell(Telling(AT, "SplitBrainSuspected", "two masters", warning=True, number=7), 0.0)
    request = told.next(0.0)
    assert request is not None
    assert request.body == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "carp-abcde.19b76daa8fa8000", "namespace": "time"},
        "eventTime": "2026-01-01T00:00:00.250000Z",
        "reportingController": "carp-sidecar.io/sidecar",
        "reportingInstance": "carp-abcde",
        "action": "Election",
        "reason": "SplitBrainSuspected",
        "regarding": {"apiVersion": "v1", "kind": "Pod", "namespace": "time", "name": "carp-abcde", "uid": "uid-1"},
        "note": "two masters",
        "type": "Warning",
    }
    told.done(request, "event-1", 0.0)
    assert told.told == 7


def test_the_same_again_is_a_series_and_much_later_a_new_one() -> None:
    told = teller()
    for now in (0.0, 10.0, 20.0):
        told.tell(Telling(AT + now, "Demoted", "by 80"), now)
    first, second, third = (send(told, now) for now in (0.0, 10.0, 20.0))
    assert first is not None
    assert second is not None
    assert third is not None
    assert (first.name, second.name) == ("", "event-1")
    assert second.body == {"series": {"count": 2, "lastObservedTime": micro(AT + 10)}}
    assert third.body == {"series": {"count": 3, "lastObservedTime": micro(AT + 20)}}
    told.tell(Telling(AT, "Demoted", "by 80"), 21.0 + SAME)
    later = told.next(21.0 + SAME)
    assert later is not None
    assert not later.name


def test_a_flood_is_told_at_the_rate_of_the_bucket() -> None:
    told = teller()
    for number in range(BURST + 5):
        told.tell(Telling(AT, "Demoted", f"number {number}"), 0.0)
    sent = sum(send(told, 0.001 * number) is not None for number in range(BURST + 5))
    assert sent == BURST
    due = told.due(1.0)
    assert due is not None
    assert 1.0 < due <= REFILL + 1
    assert send(told, due + 0.1) is not None


def flooded() -> Teller:
    """One whose bucket is empty for harmless things, of which some wait."""
    told = teller()
    for number in range(1, BURST + 6):
        told.tell(Telling(AT, "BecameBackup", f"number {number}", number=number), 0.0)
    while send(told, 1.0) is not None:
        pass
    return told


def test_a_split_brain_and_a_conflict_are_told_at_once_however_many_harmless_things_were_told_and_wait() -> None:
    told = flooded()
    for reason in ("SplitBrainSuspected", "VipConflict"):
        told.tell(Telling(AT, reason, "two", warning=True), 2.0)
    assert told.due(2.0) == 2.0
    sent = [send(told, 2.0), send(told, 2.0), send(told, 2.0)]
    assert [request and request.telling.reason for request in sent] == ["SplitBrainSuspected", "VipConflict", None]


def test_serious_things_have_a_bucket_of_their_own_that_ends_too() -> None:
    told = flooded()
    for number in range(RESERVED + 2):
        told.tell(Telling(AT, "VipConflict", f"number {number}"), 2.0)
    assert sum(send(told, 2.0) is not None for _ in range(RESERVED + 2)) == RESERVED
    due = told.due(2.0)
    assert due is not None
    assert 2.0 < due <= REFILL + 2


def test_what_was_told_out_of_turn_counts_as_told_only_with_all_before_it() -> None:
    told = flooded()
    assert told.told == BURST
    told.tell(Telling(AT, "VipConflict", "two", number=BURST + 6), 2.0)
    assert send(told, 2.0) is not None
    assert told.told == BURST
    assert told.next(2.0 + GIVE_UP) is None
    assert told.told == BURST + 6


def test_when_too_much_waits_the_serious_is_not_what_is_given_up() -> None:
    told = teller()
    told.tell(Telling(AT, "VipConflict", "two"), 0.0)
    for number in range(40):
        told.tell(Telling(AT, "Demoted", f"number {number}"), 0.0)
    request = told.next(0.0)
    assert request is not None
    assert request.telling.reason == "VipConflict"


def test_what_waits_too_long_or_behind_too_many_is_given_up_and_counts_as_told() -> None:
    told = teller()
    for number in range(1, 41):
        told.tell(Telling(AT, "Demoted", f"number {number}", number=number), 0.0)
    assert (told.dropped, told.told) == (8, 8)
    assert told.next(GIVE_UP + 1) is None
    assert (told.dropped, told.told) == (40, 40)
    assert told.due(GIVE_UP + 1) is None


def test_what_the_server_refuses_for_good_is_dropped_and_what_fails_is_tried_again() -> None:
    told = teller()
    told.tell(Telling(AT, "Demoted", "a", number=1), 0.0)
    request = told.next(0.0)
    assert request is not None
    told.failed(request, lasting=False)
    assert told.next(1.0) == request
    told.failed(request, lasting=True)
    assert told.next(1.0) is None
    assert (told.dropped, told.told) == (1, 1)


def test_a_series_whose_event_expired_begins_anew() -> None:
    told = teller()
    for now in (0.0, 1.0):
        told.tell(Telling(AT, "Demoted", "a"), now)
    send(told, 0.0)
    request = told.next(1.0)
    assert request is not None
    assert request.name
    told.failed(request, lasting=True)
    anew = told.next(1.0)
    assert anew is not None
    assert not anew.name


def test_times_go_both_ways() -> None:
    assert unix("2026-01-01T00:00:00.250Z") == AT
    assert unix("yesterday") is None
