"""The laboratory: real nodes in network namespaces; it knows the daemon only from outside."""
