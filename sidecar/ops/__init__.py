"""Floor 1, the operator's surface: HTTP, metrics, control socket, logs."""
