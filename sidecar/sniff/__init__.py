"""What is on the wire: CARP and VRRP frames, live or from a capture, decoded and verified as `run` does it."""
