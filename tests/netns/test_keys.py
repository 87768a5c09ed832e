"""Keys: another passphrase while it runs, and no question lost; a passphrase that shows nowhere, whatever happens."""

import base64
import json
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.netns.asker import Asker
from tests.netns.faults import changes, pid_of
from tests.netns.group import CONFIG, CONTROL, KEYS, PASSPHRASE, V4, Group, Member, until
from tests.netns.time_server import TimeServer

FOLDER = "/run/secret"
NEW = "the new one"
REMOUNT = ["mount", "-t", "tmpfs", "-o"]
STEPS = ((PASSPHRASE, NEW), (NEW, PASSPHRASE), (NEW,))
"""Everybody learns it, everybody signs with it, everybody forgets the old one."""


def text_of(keys: Iterable[str]) -> str:
    return "".join(f"{key}\n" for key in keys)


def mounted(member: Member, number: int, keys: Iterable[str], mode: int = 0o440) -> None:
    """As the kubelet writes a Secret: a folder of this moment, and a link to it that is replaced at once."""
    folder = member.node.path(FOLDER)
    now = folder / f"..2026_{number}"
    now.mkdir(parents=True)
    (now / "passphrases").write_text(text_of(keys))
    (now / "passphrases").chmod(mode)
    (folder / "..data_tmp").symlink_to(now.name)
    (folder / "..data_tmp").rename(folder / "..data")
    if not (folder / "passphrases").is_symlink():
        (folder / "passphrases").symlink_to("..data/passphrases")


def in_place(member: Member, number: int, keys: Iterable[str]) -> None:
    """Written over; noticed by a look."""
    member.node.write(KEYS, text_of(keys), 0o600)


def with_hup(member: Member, number: int, keys: Iterable[str]) -> None:
    """Written over, and told."""
    in_place(member, number, keys)
    member.kill(signal.SIGHUP)


WAYS = (in_place, mounted, with_hup)


def rotated(group: Group) -> Iterator[int]:
    """Each step in another order of nodes, each node in its own way; every node has taken it."""
    for number, keys in enumerate(STEPS, 1):
        for offset in range(3):
            place = (number + offset) % 3
            WAYS[place](group.members[place], number, keys)
        for member in group.members:
            member.until_said("reloaded: vhid 10: ", 7.0, times=number)
        yield number


def by_key(member: Member) -> dict[str, int]:
    found: dict[str, int] = member.vhost()["keys"]
    return found


def test_a_passphrase_is_rotated_on_three_nodes_and_no_question_is_lost(group: Group) -> None:
    """Fifty questions a second; an operator sees in the status of each node when nobody signs with the old one."""
    members = [group.add(), group.add(CARP_PASSPHRASE_FILE=f"{FOLDER}/passphrases"), group.add()]
    mounted(members[1], 0, (PASSPHRASE,))
    for member in members:
        member.start()
    group.wait_for_owner(members[0])
    for member in members[1:]:
        until(lambda one=member: one.state() == "BACKUP", 5, "it takes part")  # type: ignore[misc]
    with TimeServer(members[0].node, V4):
        asker = Asker(group, 22.0, rate=50.0)
        began = time.monotonic()
        for step in rotated(group):
            until(lambda: all(sum(by_key(one).values()) >= 2 for one in members[1:]), 5, "adverts are believed")
            for backup in members[1:]:
                counts = by_key(backup)
                assert len(counts) == len(STEPS[step - 1])
                if step == 2:
                    until(lambda one=backup: one.vhost()["peers"][0]["key"] == "1", 3, "signed by the new one")  # type: ignore[misc]
                    assert backup.metric('carp_advertisements_by_key_total{key="2",vhid="10"}') is not None
        print(f"rotated in {time.monotonic() - began:.1f} s")
        asker.ended()
    assert asker.answered() > 900
    assert asker.unanswered() == []
    assert changes(group, began, V4) == []
    assert [member.drops() for member in members] == [{}, {}, {}]
    assert [member.metric("carp_config_load_error") for member in members] == [0, 0, 0]
    stranger = group.add(advskew=0)
    stranger.start()
    members[0].until_dropped("badauth")


# ------------------------------------------------------------------------------------------------ it shows nowhere

SECRET = "zq7-Kestrel!91x"
SECOND = "wv3_Ouzel?48k"
FAIL = """
import hmac, os
_real = hmac.compare_digest
def _failing(one, other):
    if os.path.exists("/run/fail"):
        os.unlink("/run/fail")
        raise RuntimeError("made to fail")
    return _real(one, other)
hmac.compare_digest = _failing
"""
"""A Python whose comparison of digests fails once, when the keys are at hand: a traceback as near to them as can be."""


def forms_of(secret: str) -> dict[str, bytes]:
    """Every form in which a secret could be printed by mistake."""
    raw = secret.encode()
    forms = {"as it is": raw, "in hex": raw.hex().encode(), "padded, in hex": raw.ljust(20, b"\0").hex().encode()}
    forms["with blanks"] = raw.hex(" ").encode()
    forms["as numbers"] = ", ".join(map(str, raw)).encode()
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + raw)
        forms[f"in base64, {shift} behind"] = whole[4 if shift else 0 : len(whole) // 4 * 4 - 4]
    forms["reversed"] = raw[::-1]
    return forms


def everything_told(member: Member) -> Iterator[tuple[str, bytes]]:
    """Whatever a run of the daemon left for others to read, by where it is."""
    yield "the log", member.said().encode()
    for path in ("/", "/status", "/metrics", "/livez", "/readyz", "/role"):
        yield f"HTTP {path}", member.http(path).body.encode()
    yield "status", member.control("status").encode()
    yield "status --json", json.dumps(member.ask()).encode()
    for file in member.node.path(CONTROL).parent.iterdir():
        if file.is_file():
            yield file.name, file.read_bytes()
    process = Path(f"/proc/{pid_of(member)}")
    for name in ("cmdline", "environ", "comm", "maps", "mountinfo"):
        yield f"/proc/PID/{name}", (process / name).read_bytes()
    yield "ps", member.node.run(["ps", "axeww"]).stdout.encode()


def wrong_in_every_way(member: Member) -> Iterator[tuple[str, bytes]]:
    """What people do who put the passphrase where it does not belong; all of it is refused."""
    base = {"CARP_VHID": "11", "CARP_ADDRESSES": "10.77.0.101", "CARP_NTP": "off"}
    member.node.write("/run/wrong", f"{SECRET}\n{SECRET}{SECOND}\n", 0o600)
    member.node.write("/run/wrong.yaml", f"vhid: 11\npassphrase: {SECRET}\nkey: [{SECOND}\n")
    tried = {
        "a line too long": {**base, "CARP_PASSPHRASE_FILE": "/run/wrong"},
        "in a variable": {**base, "CARP_PASSPHRASE": SECRET},
        "in a file of settings": {"CARP_CONFIG": "/run/wrong.yaml"},
    }
    for how, settings in tried.items():
        done = member.command("run", **settings)
        assert done.returncode == 78, (how, done.stderr)
        yield how, (done.stdout + done.stderr).encode()
    done = member.command("run", "--passphrase", SECRET)
    assert done.returncode == 2
    yield "in an argument", (done.stdout + done.stderr).encode()
    heard = ["--interface", "eth0", "--passphrase-file", KEYS, "--addresses", V4, "--count", "1", "--seconds", "5"]
    yield "sniff", member.control("sniff", *heard, "--json").encode() + member.control("sniff", *heard).encode()


def test_a_passphrase_shows_nowhere_whatever_is_asked_logged_dumped_or_fails(group: Group) -> None:
    members = [group.add(CARP_LOG_LEVEL="debug", CARP_LOG=form) for form in ("text", "json")]
    for member in members:
        member.node.write(KEYS, f"{SECRET}\n{SECOND}\n", 0o600)
        member.node.write("/run/shim/sitecustomize.py", FAIL)
        member.prefix = ["env", f"PYTHONPATH=/run/shim:{Path.cwd()}"]
        member.start()
    group.wait_for_owner(members[0])
    stranger = group.add(advskew=0)
    stranger.start()
    for member in members:
        member.until_dropped("badauth", 2)
        member.node.write("/run/fail", "")
        member.until_said("RuntimeError: made to fail")
        in_place(member, 0, [SECRET, SECOND, SECRET + SECOND])
        member.kill(signal.SIGHUP)
        member.until_said("not reloaded, everything stays as it was")
        in_place(member, 0, [SECOND, SECRET])
        member.kill(signal.SIGHUP)
        member.until_said("reloaded: vhid 10: 2 keys")
        member.kill(signal.SIGUSR1)
        member.until_said("flight record written")
    looked_at = 0
    for member in members:
        assert "Traceback" in member.said(), "there was one to look at"
        for where, content in [*everything_told(member), *wrong_in_every_way(member)]:
            looked_at += len(content)
            for secret in (SECRET, SECOND):
                found = [how for how, form in forms_of(secret).items() if form in content]
                assert found == [], f"{where} of {member.node.name} shows the passphrase {found}"
    print(f"{looked_at} bytes looked at")


def test_the_memory_with_the_keys_in_it_is_nobodys(group: Group) -> None:
    """Not of another process of the same user, and not of a dump when it crashes."""
    member = group.add()
    member.start()
    group.wait_for_owner(member)
    assert member.daemon is not None
    without = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-all"]
    program = "import os, sys; os.lseek(os.open(f'/proc/{sys.argv[1]}/mem', os.O_RDONLY), 0, 0)"
    asked = member.node.run([*without, sys.executable, "-I", "-c", program, str(member.daemon.inner_pid)])
    assert "PermissionError" in asked.stderr
    limits = Path(f"/proc/{pid_of(member)}/limits").read_text().splitlines()
    assert next(line for line in limits if line.startswith("Max core file size")).split()[4:6] == ["0", "0"]


@pytest.mark.parametrize("mode", [0o644, 0o604])
def test_a_passphrase_file_that_everybody_may_read_is_refused_and_nothing_else_changes(group: Group, mode: int) -> None:
    """While it runs: the keys it has stay. At the start: 78, with what to do."""
    member = group.add()
    member.start()
    group.wait_for_owner(member)
    member.node.write(KEYS, f"{NEW}\n", mode)
    member.until_said("not reloaded, everything stays as it was", 6)
    assert "may be read by everybody on this host; chmod 0640 or less" in member.said()
    assert member.metric("carp_config_load_error") == 1
    assert member.state() == "MASTER"
    stranger = group.add()
    stranger.node.write(KEYS, f"{PASSPHRASE}\n", mode)
    stranger.start()
    assert stranger.daemon is not None
    assert stranger.daemon.wait(10) == 78
    assert f"CARP_PASSPHRASE_FILE={KEYS}: may be read by everybody on this host" in stranger.said()
    assert PASSPHRASE not in stranger.said()


def test_a_mount_whose_modes_are_not_ours_to_choose_is_taken_as_it_is(group: Group) -> None:
    """A Secret in a pod is 0644 unless told otherwise, mounted read-only into a file system of the pod's own."""
    member = group.add(CARP_PASSPHRASE_FILE=f"{FOLDER}/passphrases")
    member.node.path(FOLDER).mkdir()
    member.node.run(["mount", "-t", "tmpfs", "tmpfs", FOLDER], check=True)
    mounted(member, 0, (PASSPHRASE,), 0o644)
    member.node.run([*REMOUNT, "remount,ro", "tmpfs", FOLDER], check=True)
    member.start()
    group.wait_for_owner(member)
    member.node.run([*REMOUNT, "remount,rw", "tmpfs", FOLDER], check=True)
    mounted(member, 1, (PASSPHRASE, NEW), 0o644)
    member.node.run([*REMOUNT, "remount,ro", "tmpfs", FOLDER], check=True)
    member.until_said("reloaded: vhid 10: 2 keys", 6)


def test_a_settings_file_has_no_place_for_a_passphrase(group: Group) -> None:
    """So it needs no mode of its own; who tries is told where it belongs, and what he wrote is not repeated."""
    member = group.add()
    member.node.write(CONFIG, f"vhid: 10\naddresses: 10.77.0.100\npassphrase: {SECRET}\n", 0o600)
    done = member.command("run", CARP_CONFIG=CONFIG)
    assert done.returncode == 78
    assert f"{CONFIG}: passphrase=***: is not a setting; did you mean {CONFIG}: passphrase_file?" in done.stderr
