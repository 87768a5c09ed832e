"""Floor 1, the sniff command: names and verifies what is on the wire; the daemon never loads it."""
