"""What a failed run leaves to look at: captures of the wire, the pods' timeline, logs, events and every object.

Recorded from the start and apart from this process: containers that are gone have left their logs.
"""

import shutil
from pathlib import Path

from tests.e2e.cluster.layout import BRIDGE, Layout, program
from tests.e2e.cluster.network import on_switch
from tests.e2e.cluster.shell import run, start

TIMELINE = Path(__file__).with_name("timeline.py")
KEEPLOGS = Path(__file__).with_name("keeplogs.py")
WORTH_KEEPING = "arp or icmp6 or ip proto 112 or ip6 proto 112 or udp port 123"
CAPTURE_MEGABYTES = 20
CAPTURE_FILES = 5
OBJECTS = "nodes,daemonsets,pods,services,endpointslices,configmaps,serviceaccounts,roles,rolebindings,leases"
REPORTS = {
    "pods.txt": ["get", "pods", "-A", "-o", "wide", "--show-labels"],
    "nodes.txt": ["describe", "nodes"],
    "describe.txt": ["describe", "pods", "-A"],
    "events.txt": ["get", "events", "-A", "--sort-by=.lastTimestamp"],
    "objects.yaml": ["get", OBJECTS, "-A", "-o", "yaml", "--show-managed-fields"],
}


def begin(layout: Layout) -> None:
    """Record from now on: CARP, NTP, ARP and ICMPv6 on the switch (100 MB at most), every change of a pod, all logs."""
    capture = ["-C", str(CAPTURE_MEGABYTES), "-W", str(CAPTURE_FILES), "-w", str(layout.records / "switch.pcap")]
    start(
        [*on_switch(layout), "tcpdump", "-i", BRIDGE, "-n", "-U", "-s", "256", "-Z", "root", *capture, WORTH_KEEPING],
        log=layout.logs / "tcpdump.log",
        pidfile=layout.pids / "tcpdump",
    )
    start(
        [*on_switch(layout), "python3", str(TIMELINE), program("kubectl"), str(layout.inner_kubeconfig)],
        log=layout.records / "timeline.txt",
        pidfile=layout.pids / "timeline",
    )
    start(
        ["python3", str(KEEPLOGS), str(layout.folder), str(layout.records / "pods")],
        log=layout.logs / "keeplogs.log",
        pidfile=layout.pids / "keeplogs",
    )


def collect(layout: Layout, into: Path) -> Path:
    """Copy all there is to `into`; never fails for what is missing. Returns `into`."""
    into.mkdir(parents=True, exist_ok=True)
    for name, words in REPORTS.items():
        kubectl = [program("kubectl"), f"--kubeconfig={layout.inner_kubeconfig}", "--request-timeout=10s", *words]
        done = run([*on_switch(layout), *kubectl], check=False, timeout=60)
        (into / name).write_text(done.stdout + done.stderr)
    for folder in filter(Path.is_dir, (layout.logs, layout.records)):
        shutil.copytree(folder, into / folder.name, dirs_exist_ok=True)
    return into
