"""carp-sidecar: one address for NTP that never goes away. This module holds the version and nothing else."""

__version__ = "0.1.0"
