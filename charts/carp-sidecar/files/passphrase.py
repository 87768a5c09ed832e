"""Makes the Secret with a random passphrase, unless it is there. Arguments: namespace, Secret, key, labels as JSON.

Nothing but the API server and the pods that mount it ever see the passphrase.
"""

import json
import secrets
import sys

from kubernetes import client, config

namespace, name, key, labels = sys.argv[1:5]
config.load_incluster_config()
# 14 random bytes are 19 characters, the most that CARP implementations use.
secret = client.V1Secret(
    metadata=client.V1ObjectMeta(name=name, labels=json.loads(labels)),
    string_data={key: secrets.token_urlsafe(14) + "\n"},
)
try:
    client.CoreV1Api().create_namespaced_secret(
        namespace, secret, field_manager="carp-sidecar-hook", _request_timeout=15
    )
    print(f"made Secret {namespace}/{name}")
except client.ApiException as error:
    if error.status != 409:
        sys.exit(f"could not make Secret {namespace}/{name}: HTTP {error.status} {error.reason}")
    print(f"Secret {namespace}/{name} is there and stays as it is")
