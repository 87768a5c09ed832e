"""Floor 1, the watch on the NTP server: a probe, and verdicts that become demotions."""
