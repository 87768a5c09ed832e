"""The README's commands, as they stand there, typed on two real nodes by somebody who has only just come."""

import re
import sys
from pathlib import Path

import pytest

from sidecar.lab.space import Process
from tests.netns.group import V4, VHID, Group, Member, until

FOLDER = "/run/etc/carp-sidecar"
PATH = f"/run/bin:{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin"
SH = '#!/bin/sh\nexec {} -m sidecar "$@"\n'


@pytest.fixture
def blocks(checkout: Path) -> list[str]:
    """What is to be typed below "Run it": the start of a node, what one asks it, Kubernetes."""
    text = (checkout / "README.md").read_text().partition("\n## Run it\n")[2].partition("\n## ")[0]
    return [fit(block) for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL)]


def fit(block: str) -> str:
    """The same on a node of ours: another address, a folder that is the node's own, no Kubernetes and no NTP server."""
    return block.replace("192.0.2.10", V4).replace("/etc/carp-sidecar", FOLDER)


def shell(member: Member, script: str) -> list[str]:
    member.node.write("/run/bin/carp-sidecar", SH.format(sys.executable), 0o755)
    return ["env", "-i", f"PATH={PATH}", f"PYTHONPATH={Path.cwd()}", "sh", "-ec", script]


def started(member: Member, script: str) -> Process:
    return member.node.spawn(shell(member, script), log=member.log)


def test_what_the_readme_says_is_all_that_a_newcomer_must_type(group: Group, blocks: list[str]) -> None:
    begin, ask, _ = blocks
    first, second = group.add(), group.add()
    begin = "export CARP_NTP=off CARP_KUBERNETES=off\n" + begin.replace("carp-sidecar run", "exec carp-sidecar run")
    running = [
        started(member, begin.replace("--advskew 0", f"--advskew {skew}"))  # -e: no check, no run
        for member, skew in ((first, 0), (second, 20))
    ]
    group.wait_for_owner(first, 15)
    until(lambda: second.state() == "BACKUP", 5, "the second takes part")
    status, resign, maintenance, sniff = (line.partition("#")[0].strip() for line in ask.splitlines())
    assert "MASTER" in first.node.run(shell(first, f"timeout 2 {status} || true")).stdout
    assert f"vhid {VHID}" in first.node.run(shell(first, f"{sniff} --count 2"), check=True).stdout
    first.node.run(shell(first, resign), check=True)
    group.wait_for_owner(second)
    first.node.run(shell(first, maintenance), check=True)
    first.node.run(shell(first, maintenance.replace(" on", " off")), check=True)
    assert [process.stop(10.0) for process in running] == [0, 0]
