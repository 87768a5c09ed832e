"""The root of every exception this product raises on purpose.

A packet from the wire never raises: it is a counted reason. An exception here is our own failure or the operator's
input.
"""


class SidecarError(Exception):
    """Anything that carp-sidecar itself reports as failed; the cause is chained."""


class ConfigError(SidecarError):
    """A setting that cannot be used: names the key, the value, the rule and the fix (exit code 78)."""

    def __init__(self, key: str, value: object, rule: str, fix: str) -> None:
        self.key = key
        self.value = value
        self.rule = rule
        self.fix = fix
        super().__init__(f"{key}={value}: {rule}; {fix}")


class ControlError(SidecarError):
    """The control socket could not be reached or answered something unexpected."""


class HostError(SidecarError):
    """The host refused something the daemon needs (a socket, an interface, a capability)."""


class ExhaustedError(HostError):
    """The host is short of something (descriptors, memory, threads) for now: what is in place stays."""
