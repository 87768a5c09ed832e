"""`carp-sidecar check`: what would go wrong with `run` on this host, before it does."""
