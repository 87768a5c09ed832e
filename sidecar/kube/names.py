"""Names in Kubernetes, and nothing else. They are a contract: charts, alerts and scripts rely on them."""

from typing import Final

PREFIX: Final = "carp-sidecar.io/"
ROLE: Final = "carp-role"
"""Pod label: the first virtual host's role; with several, ``carp-role-<vhid>`` for each besides."""
VHID: Final = PREFIX + "vhid"
"""Pod label: the vhid that ``carp-role`` speaks of, so that two groups never clear each other's labels."""
MAINTENANCE: Final = PREFIX + "maintenance"
"""Annotation of pod or node that asks for maintenance."""
SETTLED: Final = PREFIX + "settled"
RELEASE: Final = PREFIX + "release"
"""Annotation of the DaemonSet that a release tool changes although nothing else does."""
ROLLOUT: Final = PREFIX + "rollout"
"""Annotation of the DaemonSet that whoever wants the pods unsettled changes: no release tool's, so no conflict."""
INSTANCE: Final = "app.kubernetes.io/instance"
NAME: Final = "app.kubernetes.io/name"
REVISION: Final = "controller-revision-hash"
TEMPLATE_GENERATION: Final = "pod-template-generation"
DAEMONSET_GENERATION: Final = "deprecated.daemonset.template.generation"
CONTROLLER: Final = PREFIX + "sidecar"
MANAGER: Final = "carp-sidecar"
PEERS_MANAGER: Final = "carp-sidecar-reconciler"
MASTER: Final = "master"
BACKUP: Final = "backup"


def role_of(vhid: int) -> str:
    """The pod label of one virtual host among several."""
    return f"{ROLE}-{vhid}"


def node_role(vhid: int) -> str:
    """The node label of a virtual host."""
    return f"{PREFIX}vhid-{vhid}"


def node_owner(vhid: int) -> str:
    """The node annotation that says whose ``node_role`` it is: namespace and instance."""
    return f"{PREFIX}vhid-{vhid}-instance"
