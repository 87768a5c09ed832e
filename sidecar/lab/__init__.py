"""The laboratory: real nodes in network namespaces of this machine, and the sandbox that `make test` runs in.

It imports nothing of the daemon: it drives `carp-sidecar run` from outside, as an operator would.
"""
