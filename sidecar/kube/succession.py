"""When a rollout lets the address move: as seldom as it can. Pure.

A pod of the older template ranks behind the newer ones as soon as one of those is available, so that whoever leaves
hands over to one that stays. The master itself serves until its turn has come, and hands over then (its preStop, its
SIGTERM): all old pods hear of a rollout at nearly the same moment, and who gives way at once gives way to the next.
"""

from sidecar.kube.facts import DaemonSet, Pod


class Succession:
    """Feed it what is seen, also what is not new."""

    def __init__(self) -> None:
        self._template = ""
        """That of which a pod was seen to be available. While the next ones start the figures no longer tell."""

    def gives_way(self, pod: Pod | None, daemonset: DaemonSet | None, *, master: bool) -> bool:
        """Whether this pod is to rank behind newer ones. ``master``: of any virtual host."""
        if pod is None or daemonset is None or not daemonset.replaces(pod):
            self._template = ""
            return False
        if daemonset.has_new:
            self._template = daemonset.template
        return self._template == daemonset.template and not master
