"""The scripts of the hooks, as their jobs run them: in a pod's place, with its token, against a real API server."""

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from threading import Timer

import pytest
import yaml

from sidecar.settings.passphrases import read_passphrases
from tests.chart.apiserver import Server
from tests.chart.render import CHART, LEAST, render

NAMESPACE = "hooks"
NAME = "vip-carp-sidecar"
MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
# A pod's place: /run of its own, and in it what a kubelet mounts.
PLACE = f'mount -t tmpfs none /run && mkdir -p {MOUNT} && cp "$0"/* {MOUNT}/ && exec "$@"'


@pytest.fixture(scope="module")
def installed(server: Server) -> Server:
    """The release in a namespace of its own, without pods; hooks' rights included."""
    server.apply(json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}))
    less = ("--set", f"namespaceOverride={NAMESPACE}")
    generated = ("--set", "passphrase.existingSecret=,passphrase.generate=true")
    objects = render(*LEAST, *less, *generated, policies=False).objects
    kinds = ("ServiceAccount", "Role", "RoleBinding", "DaemonSet")
    hooks = [one for one in objects if "Cluster" in one["kind"] and one["metadata"]["name"].endswith("-forget")]
    server.apply(yaml.safe_dump_all([*hooks, *(one for one in objects if one["kind"] in kinds)]))
    return server


def run_hook(server: Server, tmp_path: Path, job: str, *arguments: str, account: str = "") -> tuple[int, str]:
    """Exit code and output of a hook's script with these arguments."""
    token = server.kubectl("create", "token", account or f"{NAME}-{job}", "-n", NAMESPACE).stdout
    mounted = tmp_path / "mounted"
    mounted.mkdir(exist_ok=True)
    (mounted / "token").write_text(token)
    (mounted / "ca.crt").write_text((server.home / "certs" / "apiserver.crt").read_text())
    (mounted / "namespace").write_text(NAMESPACE)
    script = (CHART / "files" / f"{job}.py").read_text()
    port = server.url.rpartition(":")[2]
    environ = os.environ | {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": port}
    command = ["unshare", "--mount", "--map-root-user", "sh", "-c", PLACE, str(mounted)]
    command += [sys.executable, "-I", "-c", script, *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout + done.stderr


def members(server: Server, ready: int) -> None:
    """What the controllers would say."""
    status = {"desiredNumberScheduled": 3, "currentNumberScheduled": 3, "numberMisscheduled": 0, "numberReady": ready}
    patch = json.dumps({"status": status})
    done = server.kubectl(
        "patch", "daemonset", NAME, "-n", NAMESPACE, "--subresource=status", "--type=merge", "-p", patch
    )
    assert done.returncode == 0, done.stderr


def test_unsettling_writes_what_is_new_every_time_and_ends_when_all_are_ready(
    installed: Server, tmp_path: Path
) -> None:
    members(installed, 3)
    code, said = run_hook(installed, tmp_path, "unsettle", NAMESPACE, NAME, "7", "30", "10")
    assert (code, said) == (0, "all 3 members are Ready\n")
    found = installed.get("daemonset", NAME, "-n", NAMESPACE)
    assert found["metadata"]["annotations"]["carp-sidecar.io/rollout"].startswith("7-1")
    assert found["metadata"]["annotations"]["carp-sidecar.io/release"] == "1", "Helm's, and nobody else's"
    assert found["metadata"]["generation"] == 1, "a release is no new template"


def test_unsettling_gives_up_after_its_time_and_lets_the_upgrade_go_on(installed: Server, tmp_path: Path) -> None:
    members(installed, 1)
    code, said = run_hook(installed, tmp_path, "unsettle", NAMESPACE, NAME, "8", "1", "10")
    assert (code, said) == (0, "1 of 3 members are Ready after 1 s; going on\n")


def test_unsettling_does_not_wait_for_a_member_that_does_not_become_ready(installed: Server, tmp_path: Path) -> None:
    """Its node may be dead: nobody tells a DaemonSet."""
    members(installed, 2)
    began = time.monotonic()
    code, said = run_hook(installed, tmp_path, "unsettle", NAMESPACE, NAME, "8", "50", "2")
    assert (code, said.partition(" after ")[0]) == (0, "2 of 3 members are Ready")
    assert time.monotonic() - began < 30


def test_unsettling_waits_on_while_one_after_the_other_becomes_ready(installed: Server, tmp_path: Path) -> None:
    members(installed, 0)
    later = [Timer(seconds, members, (installed, ready)) for seconds, ready in ((4.0, 1), (8.0, 2), (12.0, 3))]
    for one in later:
        one.start()
    code, said = run_hook(installed, tmp_path, "unsettle", NAMESPACE, NAME, "8", "50", "9")
    for one in later:
        one.join()
    assert (code, said) == (0, "all 3 members are Ready\n")


@pytest.mark.parametrize(("name", "account"), [("another", ""), (NAME, NAME)], ids=["not its DaemonSet", "no rights"])
def test_unsettling_fails_open(installed: Server, tmp_path: Path, name: str, account: str) -> None:
    code, said = run_hook(installed, tmp_path, "unsettle", NAMESPACE, name, "9", "5", "5", account=account)
    assert code == 0
    assert "going on" in said


def test_unsettling_fails_open_without_an_api_server(installed: Server, tmp_path: Path) -> None:
    gone = Server("https://127.0.0.1:9", installed.token, installed.home)
    code, said = run_hook(gone, tmp_path, "unsettle", NAMESPACE, NAME, "9", "2", "2")
    assert code == 0
    assert "going on" in said


def test_a_passphrase_is_made_once_and_never_changed(installed: Server, tmp_path: Path) -> None:
    arguments = (NAMESPACE, f"{NAME}-passphrases", "passphrases", json.dumps({"app.kubernetes.io/name": "x"}))
    code, said = run_hook(installed, tmp_path, "passphrase", *arguments)
    assert code == 0, said
    made = installed.get("secret", f"{NAME}-passphrases", "-n", NAMESPACE)
    code, said = run_hook(installed, tmp_path, "passphrase", *arguments)
    assert (code, "stays as it is" in said) == (0, True)
    assert installed.get("secret", f"{NAME}-passphrases", "-n", NAMESPACE) == made


def test_a_made_passphrase_is_one_that_the_daemon_takes(installed: Server, tmp_path: Path) -> None:
    arguments = (NAMESPACE, "other", "keys", "{}")
    assert run_hook(installed, tmp_path, "passphrase", *arguments)[0] == 0
    file = tmp_path / "keys"
    file.touch(mode=0o600)
    file.write_bytes(base64.b64decode(installed.get("secret", "other", "-n", NAMESPACE)["data"]["keys"]))
    (key,) = read_passphrases(file)
    assert len(key) == 19


def test_a_passphrase_that_could_not_be_made_fails_the_install(installed: Server, tmp_path: Path) -> None:
    code, said = run_hook(installed, tmp_path, "passphrase", NAMESPACE, "third", "keys", "{}", account=NAME)
    assert code == 1
    assert "403" in said


SERVER = """
import os, socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("192.0.2.10", 123))
if os.fork():
    os.execv(sys.executable, [sys.executable, "-I", "-c", *sys.argv[1:]])
while True:
    asked, client = server.recvfrom(512)
    server.sendto(b"\\x24\\x02" + 22 * b"\\0" + asked[40:48] + 16 * b"\\0", client)
"""


def ask_time(*addresses: str) -> tuple[int, str]:
    """Exit code and output of the test pod's script where there is IPv4 only, and a server at 192.0.2.10."""
    script = (CHART / "files" / "ask_time.py").read_text()
    network = "ip link set lo up; ip -6 address flush dev lo; ip address add 192.0.2.10/32 dev lo"
    command = ["unshare", "--net", "--pid", "--fork", "--kill-child", "--map-root-user", "sh", "-c", f'{network}; "$@"']
    command += ["sh", sys.executable, "-I", "-c", SERVER, script, "", *addresses]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, timeout=60)
    return done.returncode, done.stdout


def test_the_test_pod_asks_what_its_network_reaches_and_says_what_not() -> None:
    assert ask_time("192.0.2.10") == (0, "192.0.2.10 answers: stratum 2, synchronised\n")
    code, said = ask_time("192.0.2.10", "2001:db8::10")
    assert (code, "2001:db8::10 was not asked: this pod's network has no IPv6" in said) == (0, True)
    assert ask_time("2001:db8::10")[0] == 1
    code, said = ask_time("192.0.2.10", "127.0.0.9")
    assert (code, "127.0.0.9 does not answer" in said) == (1, True)


def test_forgetting_takes_only_its_own_labels_off_the_nodes(installed: Server, tmp_path: Path) -> None:
    labels = {"carp-sidecar.io/vhid-10": "master", "carp-sidecar.io/vhid-11": "backup", "kubernetes.io/os": "linux"}
    owners = {"carp-sidecar.io/vhid-10-instance": "hooks.vip", "carp-sidecar.io/vhid-11-instance": "hooks.other"}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "left", "labels": labels, "annotations": owners}}
    installed.apply(json.dumps(node))
    code, said = run_hook(installed, tmp_path, "forget", "hooks.vip")
    assert (code, said) == (0, "labels taken off left\n")
    left = installed.get("node", "left")["metadata"]
    assert left["labels"] == {"carp-sidecar.io/vhid-11": "backup", "kubernetes.io/os": "linux"}
    assert left["annotations"] == {"carp-sidecar.io/vhid-11-instance": "hooks.other"}
    assert run_hook(installed, tmp_path, "forget", "hooks.vip") == (0, "labels taken off no node\n")
    code, said = run_hook(installed, tmp_path, "forget", "hooks.vip", account=NAME)
    assert (code, "could not take" in said) == (0, True)
