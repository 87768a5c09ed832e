"""Kubernetes gives every pod variables of every Service; those of a Service called carp-something are no settings."""

import pytest

from sidecar.settings.layers import environment_layer

SERVICE = {
    "{}_SERVICE_HOST": "10.96.0.10",
    "{}_SERVICE_PORT": "123",
    "{}_SERVICE_PORT_NTP": "123",
    "{}_PORT": "udp://10.96.0.10:123",
    "{}_PORT_123_UDP": "udp://10.96.0.10:123",
    "{}_PORT_123_UDP_PROTO": "udp",
    "{}_PORT_123_UDP_PORT": "123",
    "{}_PORT_123_UDP_ADDR": "10.96.0.10",
    "{}_PORT_80_TCP": "tcp://[fd00::10]:80",
    "{}_PORT_80_TCP_PROTO": "tcp",
    "{}_PORT_80_TCP_PORT": "80",
    "{}_PORT_80_TCP_ADDR": "fd00::10",
}


@pytest.mark.parametrize("service", ["CARP", "CARP_SIDECAR", "CARP_SIDECAR_NTP", "CARP_HTTP", "CARP_NTP", "CARP_PORT"])
def test_links_of_any_service_called_carp_are_ignored(service: str) -> None:
    layer = environment_layer({name.format(service): value for name, value in SERVICE.items()})
    assert (layer.problems, layer.values) == ((), {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CARP_HTTP_PORT", "8112"),
        ("CARP_PORT", "8112"),
        ("CARP_NTP_SERVICE_HOST", "ntp.example.net"),
        ("CARP_NTP_SERVICE_PORT", "ntp"),
        ("CARP_X_PORT_123_UDP_PROTO", "x"),
        ("CARP_X_PORT_123_ICMP", "icmp://10.0.0.1:1"),
        ("CARP_SERVICE", "10.0.0.1"),
        ("CARPENTER_PORT", None),
    ],
)
def test_what_only_looks_like_a_link_is_told(name: str, value: str | None) -> None:
    problems = environment_layer({name: value or "8112"}).problems
    assert [problem.key for problem in problems] == ([] if value is None else [name])
