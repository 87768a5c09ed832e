"""What a person may write: every ci file renders and lints, wrong values are refused by name, nothing is ignored."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sidecar.settings.load import load
from sidecar.settings.table import SETTINGS, Setting
from tests.chart.render import CHART, CI, KUBERNETES, LEAST, ROOT, helm, render, render_values, template

WRONG = {
    "/carp/vhid": ("--set", "carp.vhid=256"),
    "/carp/advskew": ("--set", "carp.advskew=255"),
    "/carp/advbase": ("--set", "carp.advbase=-1"),
    "/carp/addresses/0": ("--set", "carp.addresses={192.0.2.300}"),
    "'addres' not allowed": ("--set", "carp.addres={192.0.2.10}"),
    "/carp/interface": ("--set", "carp.interface=an interface"),
    "/carp/mac": ("--set", "carp.mac=02:00:00:00:00:01"),
    "/carp/preempt": ("--set-string", "carp.preempt=yes"),
    "/carp/peers/0": ("--set", "carp.peers={node1}"),
    "/carp/vhosts/0": ("--set", "carp.vhosts[0].vhid=1"),
    "/sidecar/readiness": ("--set", "sidecar.readiness=leader"),
    "/sidecar/http": ("--set", "sidecar.http=8112"),
    "/image/digest": ("--set", "image.digest=sha256:abc"),
    "/image/pullPolicy": ("--set", "image.pullPolicy=Sometimes"),
    "/ntp/mode": ("--set", "ntp.mode=ntpd"),
    "/ntp/chrony/localStratum": ("--set", "ntp.chrony.localStratum=16"),
    "/daemonset/updateStrategy/type": ("--set", "daemonset.updateStrategy.type=Recreate"),
    "/admissionPolicy/enabled": ("--set", "admissionPolicy.enabled=maybe"),
    "/metrics/podMonitor/interval": ("--set", "metrics.podMonitor.interval=15"),
    "'passphrases' not allowed": ("--set", "passphrases.existingSecret=x"),
    "/terminationGracePeriodSeconds": ("--set", "terminationGracePeriodSeconds=1"),
}
UNFIT = {
    "carp.vhosts[1].vhid: 10 is there twice": (
        *("--set", "carp.vhid=null,carp.addresses=null"),
        *("--set", "carp.vhosts[0].interface=eth0,carp.vhosts[1].interface=eth1"),
        *("--set", "carp.vhosts[0].vhid=10,carp.vhosts[1].vhid=10"),
        *("--set", "carp.vhosts[0].addresses={192.0.2.1},carp.vhosts[1].addresses={192.0.2.2}"),
    ),
    "192.0.2.1 is there twice": (
        *("--set", "carp.vhid=null,carp.addresses=null,carp.vhosts[0].vhid=10,carp.vhosts[1].vhid=11"),
        *("--set", "carp.vhosts[0].addresses={192.0.2.1},carp.vhosts[1].addresses={192.0.2.1/24}"),
    ),
    "set together with carp.vhosts": ("--set", "carp.vhosts[0].vhid=1,carp.vhosts[0].addresses={192.0.2.1}"),
    "carp.addresses: 127.0.0.1 is unspecified, loopback": ("--set", "carp.addresses={127.0.0.1}"),
    "carp.addresses: ff02::1 is": ("--set", "carp.addresses={192.0.2.10,ff02::1}"),
    "carp.lease: 1 s, and the address would expire": ("--set", "carp.lease=1"),
    "carp.advskew: with advbase 0": ("--set", "carp.advbase=0"),
    "passphrase.generate": ("--set", "passphrase.generate=true"),
    "passphrase.existingSecret: required": ("--set", "passphrase.existingSecret="),
    "ntp.container: required": ("--set", "ntp.mode=custom"),
    "ntp.container: unused": ("--set", "ntp.container.name=x"),
    "ntp.chrony.servers": ("--set", "ntp.chrony.servers=null"),
    "sidecar.http: 127.0.0.1:8112 cannot be reached": ("--set", "metrics.podMonitor.enabled=true"),
    "sidecar.readiness: with role": ("--set", "kubernetes.enabled=false"),
    "tolerations": ("--set", "tolerations[0].operator=Exists"),
    "sidecar.extraEnv: CARP_NODE": ("--set", "sidecar.extraEnv[0].name=CARP_NODE"),
    "sidecar.extraEnv: CARP_VHID": ("--set", "sidecar.extraEnv[0].name=CARP_VHID"),
    "serviceAccount.name: required": ("--set", "serviceAccount.create=false"),
}


@pytest.mark.parametrize("named", WRONG)
def test_a_wrong_value_is_refused_by_name(named: str) -> None:
    done = template(*LEAST, *WRONG[named])
    assert done.returncode != 0
    assert named in done.stderr


@pytest.mark.parametrize("sentence", UNFIT)
def test_what_does_not_fit_together_is_refused_with_a_sentence(sentence: str) -> None:
    done = template(*LEAST, *UNFIT[sentence])
    assert done.returncode != 0
    assert sentence in done.stderr


def test_all_that_is_wrong_is_told_at_once() -> None:
    done = template()
    assert all(key in done.stderr for key in ("carp.vhid", "carp.addresses", "existingSecret", "servers"))


def test_native_sidecars_are_refused_where_kubernetes_has_none() -> None:
    assert "sidecar.native" in template(*LEAST, kubernetes="1.28.9").stderr
    assert render(*LEAST, "--set", "sidecar.native=false", kubernetes="1.28.9").carp["args"] == ["run"]


@pytest.mark.parametrize("values", CI, ids=lambda path: path.stem)
def test_each_way_of_use_renders_and_lints_strictly(values: Path) -> None:
    assert render("-f", str(values)).one("DaemonSet")
    done = helm("lint", "--strict", str(CHART), "--kube-version", KUBERNETES, "-f", str(values))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("values", CI, ids=lambda path: path.stem)
def test_each_way_of_use_renders_to_yaml_that_reads_as_it_looks(values: Path) -> None:
    """No key twice, nothing left empty, no word that is a boolean by accident; how it is laid out is Helm's."""
    layout = "trailing-spaces: disable, indentation: disable, line-length: disable"
    rules = f"{{extends: {ROOT / '.yamllint.yaml'}, rules: {{{layout}}}}}"
    rendered = template("-f", str(values)).stdout
    linter = [str(Path(sys.executable).with_name("yamllint")), "--strict", "-d", rules, "-"]
    done = subprocess.run(linter, input=rendered, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("version", ["1.29.0", "1.30.5", "1.33.0", "1.35.1-eks-1", "1.37.0"])
def test_every_kubernetes_that_is_promised_gets_the_same_objects_but_for_its_policies(version: str) -> None:
    policies = {"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"}
    now = render(*LEAST).kinds
    assert render(*LEAST, kubernetes=version).kinds == now
    assert render(*LEAST, kubernetes=version, policies=False).kinds == now - policies


def test_there_is_a_way_of_use_for_everybody() -> None:
    assert (CHART / "ci" / "default-values.yaml") in CI
    assert len(CI) >= 12


def test_every_setting_of_a_virtual_host_is_a_value() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    entry = set(schema["properties"]["carp"]["properties"]["vhosts"]["items"]["properties"])
    assert entry == {row.key for row in SETTINGS if row.of == "vhost"} - {"passphrase_file"} | {"passphraseKey"}


@pytest.mark.parametrize("row", [row for row in SETTINGS if row.kind in ("word", "integer")], ids=lambda row: row.key)
def test_the_schema_allows_what_the_daemon_does(row: Setting) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]
    named = {"log_level": "logLevel"}.get(row.key, row.key)
    place = schema["carp" if row.of == "vhost" else "sidecar"]["properties"]
    if row.key == "kubernetes":  # on or off by kubernetes.enabled; nothing to guess in a pod
        return
    if row.kind == "word":
        assert place[named]["enum"] == row.span.split(", ")
    else:
        assert f"{place[named]['minimum']}-{place[named]['maximum']}" == row.span


@pytest.mark.parametrize("row", [row for row in SETTINGS if row.default is not None], ids=lambda row: row.key)
def test_a_value_has_the_daemons_default(row: Setting) -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    place = values["carp"] if row.of == "vhost" else values["sidecar"] | {"ntp": values["ntp"]["target"]}
    place |= {f"kubernetes_{key}": value for key, value in values["kubernetes"].items()}
    found = place.get({"log_level": "logLevel"}.get(row.key, row.key))
    ours: dict[str, object] = {
        "log": "json",
        "peers": [],
        "kubernetes": None,
        "control": None,
        "kubernetes_nodes": True,
        "kubernetes_events": True,
        "preempt": True,
        "advbase": 1,
    }
    assert found == ours.get(row.key, row.default)


def test_the_file_that_pods_read_is_one_that_the_daemon_takes(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("a passphrase\n")
    keys.chmod(0o600)
    for values in CI:
        text = yaml.safe_dump(render("-f", str(values)).config)
        config = tmp_path / "config.yaml"
        for name in ("passphrases", "second", "keys.txt"):
            text = text.replace(f"/etc/carp-sidecar/passphrases/{name}\n", f"{keys}\n")
        config.write_text(text)
        settings = load({"config": str(config)}, {"CARP_NODE": "node1", "CARP_KUBERNETES": "off"})
        assert settings.vhosts, values.name


def test_entries_take_what_stands_above_them_and_false_is_no_absence() -> None:
    rendered = render(
        *("--set", "passphrase.existingSecret=keys,ntp.mode=host,carp.preempt=false,carp.interface=eth0"),
        *("--set", "carp.vhosts[0].vhid=1,carp.vhosts[0].addresses={192.0.2.1},carp.vhosts[0].preempt=true"),
        *("--set", "carp.vhosts[1].vhid=2,carp.vhosts[1].addresses={192.0.2.2},carp.vhosts[1].interface=eth1"),
    )
    first, second = rendered.config["vhosts"]
    assert (first["preempt"], second["preempt"]) == (True, False)
    assert (first["interface"], second["interface"]) == ("eth0", "eth1")


def test_the_readme_tells_every_value() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "values_docs.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_an_upgrade_without_change_changes_no_pod() -> None:
    first, second = (render_values().one("DaemonSet")["spec"] for _ in range(2))
    assert first == second
