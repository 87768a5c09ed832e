"""Whether there is a Kubernetes to tell, decided from what every pod has; nothing is asked."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sidecar.errors import ConfigError
from sidecar.settings.values import Kubernetes

_log: Final = logging.getLogger(__name__)
TOKEN: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
_HOST: Final = "KUBERNETES_SERVICE_HOST"
_POD: Final = "POD_NAME"


def tells_kubernetes(wanted: Kubernetes, environ: Mapping[str, str], token: Path = TOKEN) -> bool:
    """Whether to run the notice board. ``ConfigError`` when it is wanted and cannot be."""
    if wanted is Kubernetes.OFF:
        return False
    lack = _lacking(environ, token)
    if not lack:
        return True
    if wanted is Kubernetes.ON:
        raise ConfigError("kubernetes", "on", *lack)
    if environ.get(_HOST) and token.exists():
        _log.warning("Kubernetes is not told who is master: %s; %s", *lack)
    return False


def _lacking(environ: Mapping[str, str], token: Path) -> tuple[str, str] | None:
    """Rule and fix for what is missing."""
    if not environ.get(_HOST):
        return f"{_HOST} is not set: this is no pod", "use auto or off"
    if not token.exists():
        return (
            f"there is no token at {token}",
            "mount a service account's token (automountServiceAccountToken), or use off",
        )
    if not environ.get(_POD):
        return (
            f"{_POD} is not set",
            f"give {_POD}, POD_NAMESPACE, POD_UID and CARP_NODE by the downward API, or use off",
        )
    return None
