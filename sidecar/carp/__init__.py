"""The CARP protocol, pure: no clock, no randomness, no log, no input or output, nothing but the standard library."""
