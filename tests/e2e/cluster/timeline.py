"""Write down every change of the pods as the API shows it, with milliseconds. Standard library only, run by path.

timeline.py KUBECTL KUBECONFIG: lines `TIME NAMESPACE NAME NODE PHASE READY ROLE DELETED` on standard output, for as
long as it lives; an API that is away is a line of its own.
"""

import datetime as dt
import subprocess
import sys
import time

COLUMNS = (
    "NS:.metadata.namespace,NAME:.metadata.name,NODE:.spec.nodeName,PHASE:.status.phase,"
    'READY:.status.conditions[?(@.type=="Ready")].status,ROLE:.metadata.labels.carp-role,'
    "DELETED:.metadata.deletionTimestamp"
)


def say(line: str) -> None:
    now = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")
    print(now, line, flush=True)


def main() -> None:
    kubectl, kubeconfig = sys.argv[1:3]
    watch = [kubectl, f"--kubeconfig={kubeconfig}", "get", "pods", "-A", "--watch", "--no-headers", "-o"]
    while True:
        with subprocess.Popen(
            [*watch, f"custom-columns={COLUMNS}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as watching:
            assert watching.stdout is not None
            for line in watching.stdout:
                say(" ".join(line.split()))
        say("-- the watch has ended --")
        time.sleep(1)


if __name__ == "__main__":
    main()
