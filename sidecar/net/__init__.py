"""Floor 1, Linux: wire, addresses, links, sysctls and routes of the hosts that carry an election."""
