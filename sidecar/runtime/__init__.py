"""Floor 1, the engine room: turns events into calls of the core and its effects into calls of the ports."""
