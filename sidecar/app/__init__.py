"""The composition root of ``carp-sidecar run``: the only place that knows every floor."""
