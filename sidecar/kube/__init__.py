"""The notice board: a child process that tells Kubernetes who is master. The election never asks or trusts it.

Everything here may hang, leak or die and nothing happens to an address. Only ``sidecar.kube.wire`` is shared with the
election's process.
"""
