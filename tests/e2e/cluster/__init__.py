"""Kubernetes on one machine, for the end-to-end tests and for a person to play with; `cluster.py` shows its use."""

from tests.e2e.cluster.cluster import Cluster
from tests.e2e.cluster.layout import ClusterError
from tests.e2e.cluster.node import Node

__all__ = ["Cluster", "ClusterError", "Node"]
