"""Watches an NTP server and says how fit it is to be master. Law: it only asks (mode 3), never steers or restarts.

`packet`, `verdict` and `target` are pure (time is an argument); `resolve`, `probe` and `watch` are the edge. The rest
of the daemon needs `watch` only.
"""
