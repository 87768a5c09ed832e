"""Tells the members that a rollout comes, and waits until all are Ready, so that they are replaced one at a time.

Arguments: namespace, DaemonSet, release, seconds at most, seconds without one more of them Ready. Who can be Ready is
so soon after it was told; who is not by then (its node is dead, its time is bad, it is under maintenance) is not waited
for. Fails open: whatever happens, the upgrade goes on. The annotation is not the one that Helm writes: a field of two
owners would end an upgrade in which this job did not succeed.
"""

import sys
import time


def unsettle(namespace: str, name: str, release: str, seconds: float, quiet: float) -> str:
    from kubernetes import client, config

    config.load_incluster_config()
    apps = client.AppsV1Api()
    once = f"{release}-{time.time_ns() // 10**9}"
    patch = {"metadata": {"annotations": {"carp-sidecar.io/rollout": once}}}
    apps.patch_namespaced_daemon_set(name, namespace, patch, field_manager="carp-sidecar-hook", _request_timeout=5)
    began = more_at = time.monotonic()
    ready = desired = most = 0
    while (now := time.monotonic()) < min(began + seconds, more_at + quiet):
        status = apps.read_namespaced_daemon_set_status(name, namespace, _request_timeout=5).status
        ready, desired = status.number_ready or 0, status.desired_number_scheduled or 0
        if ready >= desired:
            return f"all {desired} members are Ready"
        if ready > most:
            most, more_at = ready, now
        time.sleep(0.5)
    return f"{ready} of {desired} members are Ready after {time.monotonic() - began:.0f} s; going on"


try:
    print(unsettle(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), float(sys.argv[5])))
except Exception as error:  # noqa: BLE001 - it fails open
    print(f"could not unsettle the members, going on: {error}")
