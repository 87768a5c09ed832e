"""python -m tests.e2e.cluster COMMAND: a Kubernetes on this machine to play with; --help names the commands."""

import argparse
import os
import sys
import time
from pathlib import Path

from tests.e2e.cluster import preflight
from tests.e2e.cluster.cluster import HELM, Cluster
from tests.e2e.cluster.layout import ClusterError, program
from tests.e2e.cluster.network import on_switch
from tests.e2e.cluster.shell import environment

DEFAULT_NAME = "play"


def main() -> int:
    options, rest = parser().parse_known_args()
    try:
        return int(globals()[f"do_{options.command}"](options, rest) or 0)
    except ClusterError as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m tests.e2e.cluster", description=__doc__)
    made.add_argument("--name", default=DEFAULT_NAME, help=f"which cluster (default {DEFAULT_NAME})")
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="make the cluster and leave it standing")
    up.add_argument("--image", action="append", type=Path, default=[], help="archive that its nodes start with")
    commands.add_parser("down", help="remove it, whatever state it is in")
    commands.add_parser("status", help="what runs")
    commands.add_parser("check", help="what this machine lacks for a cluster")
    commands.add_parser("load", help="put image archives on all nodes").add_argument("archives", nargs="+", type=Path)
    commands.add_parser("collect", help="copy logs, captures and objects").add_argument("folder", type=Path)
    for name in ("kubectl", "helm", "helm4"):
        commands.add_parser(name, help=f"{name} ARGUMENTS: as cluster administrator", add_help=False)
    node = commands.add_parser("node", help="node NAME COMMAND...: run a command on a node")
    node.add_argument("node")
    node.add_argument("words", nargs=argparse.REMAINDER)
    return made


def do_up(options: argparse.Namespace, _rest: list[str]) -> None:
    began = time.monotonic()
    cluster = Cluster(name=options.name, images=options.image)
    cluster.up()
    cluster.leave_standing()
    print(f"{len(cluster.nodes)} nodes Ready after {time.monotonic() - began:.1f} s; to use them:")
    print(f"  export KUBECONFIG={cluster.kubeconfig}")
    print(f"  {program('kubectl')} get pods -A -o wide")


def do_down(options: argparse.Namespace, _rest: list[str]) -> None:
    began = time.monotonic()
    Cluster(name=options.name).down()
    print(f"cluster {options.name} is gone, after {time.monotonic() - began:.1f} s")


def do_status(options: argparse.Namespace, _rest: list[str]) -> int:
    cluster = Cluster(name=options.name)
    for name, runs in cluster.api.running().items():
        print(f"{name:25} {'runs' if runs else 'is not running'}")
    ready = cluster.ready_nodes() if all(cluster.api.running().values()) else []
    for node in cluster.nodes.values():
        print(f"{node.name:25} {'on' if node.is_on else 'off'}, {'Ready' if node.name in ready else 'not Ready'}")
    print(f"{'kubeconfig':25} {cluster.kubeconfig}")
    return int(ready != sorted(cluster.nodes))


def do_check(_options: argparse.Namespace, _rest: list[str]) -> None:
    preflight.check()
    print("this machine has all that a cluster needs")


def do_load(options: argparse.Namespace, _rest: list[str]) -> None:
    for archive in options.archives:
        Cluster(name=options.name).load_image(archive)


def do_collect(options: argparse.Namespace, _rest: list[str]) -> None:
    print(Cluster(name=options.name).collect(options.folder))


def do_kubectl(options: argparse.Namespace, rest: list[str]) -> None:
    _become(options, "kubectl", rest)


def do_helm(options: argparse.Namespace, rest: list[str]) -> None:
    _become(options, HELM[3], rest)


def do_helm4(options: argparse.Namespace, rest: list[str]) -> None:
    _become(options, HELM[4], rest)


def _become(options: argparse.Namespace, name: str, words: list[str]) -> None:
    cluster = Cluster(name=options.name)
    if not cluster.api.running()["kube-apiserver"]:
        raise ClusterError(f"cluster {options.name} is not up: run make e2e-up")
    command = [*on_switch(cluster.layout), program(name), f"--kubeconfig={cluster.layout.inner_kubeconfig}", *words]
    os.execvpe(command[0], command, environment())


def do_node(options: argparse.Namespace, rest: list[str]) -> None:
    command = Cluster(name=options.name).node(options.node).command([*options.words, *rest] or ["bash"])
    os.execvpe(command[0], command, environment())


if __name__ == "__main__":
    sys.exit(main())
