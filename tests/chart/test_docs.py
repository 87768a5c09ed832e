"""What the pages tell people to type exists."""

import re

import yaml

from sidecar.settings.table import SETTINGS
from tests.chart.render import CHART, ROOT, render


def test_the_compose_file_gives_settings_that_the_daemon_knows() -> None:
    text = (ROOT / "docs" / "docker.md").read_text()
    block = text.split("<!-- compose -->\n```yaml\n")[1].split("```")[0]
    compose = yaml.safe_load(block)
    carp, ntp = compose["services"]["carp"], compose["services"]["ntp"]
    assert set(carp["environment"]) <= {row.env for row in SETTINGS}
    assert carp["cap_add"] == ["NET_ADMIN", "NET_RAW"]
    assert (carp["cap_drop"], carp["read_only"], carp["network_mode"]) == (["ALL"], True, "host")
    assert not any("PASSPHRASE" in name and not name.endswith("_FILE") for name in carp["environment"])
    known = set(re.findall(r"\$\{(NTP_\w+)", (ROOT / "docker" / "serve-time").read_text()))
    assert set(ntp["environment"]) <= known


def test_values_that_the_pages_name_exist() -> None:
    text = (ROOT / "docs" / "kubernetes.md").read_text()
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    named = re.findall(
        r"`((?:carp|ntp|sidecar|kubernetes|rollout|passphrase|metrics|openshift)\.[\w.]+)(?:=[^`]*)?`", text
    )
    assert len(named) > 15
    for name in named:
        found = values
        for key in name.split("."):
            assert key in found, name
            found = found[key]


def test_the_objects_that_the_pages_name_exist() -> None:
    text = (ROOT / "docs" / "kubernetes.md").read_text()
    values = ("-f", str(CHART / "ci" / "default-values.yaml"))
    assert "ds/ntp-carp-sidecar -c carp" in text
    assert render(*values).one("DaemonSet")["metadata"]["name"] == "vip-carp-sidecar"
    for file in re.findall(r"`(charts/carp-sidecar/ci/[\w-]+\.yaml)`", text):
        assert (ROOT / file).exists()
