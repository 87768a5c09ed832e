"""Takes the labels of a release that was removed off the nodes: its pods lost the right to before they had ended.

Argument: namespace and instance of the release, `NAMESPACE.INSTANCE`. Fails open: whatever happens, the removal ends.
"""

import re
import sys

_OWNER = re.compile(r"(carp-sidecar\.io/vhid-\d+)-instance")


def forget(owner: str) -> str:
    from kubernetes import client, config

    config.load_incluster_config()
    api = client.CoreV1Api()
    freed = []
    for node in api.list_node(_request_timeout=15).items:
        owners = {name: of for name, of in (node.metadata.annotations or {}).items() if of == owner}
        labels = {found[1]: None for name in owners if (found := _OWNER.fullmatch(name))}
        if labels:
            patch = {"metadata": {"labels": labels, "annotations": {f"{label}-instance": None for label in labels}}}
            api.patch_node(node.metadata.name, patch, field_manager="carp-sidecar-hook", _request_timeout=5)
            freed.append(node.metadata.name)
    return f"labels taken off {', '.join(freed) or 'no node'}"


try:
    print(forget(sys.argv[1]))
except Exception as error:  # noqa: BLE001 - it fails open
    print(f"could not take the labels off the nodes: {error}")
