"""From flags, environment and file to what `run` needs, or to every reason why not.

Nothing outside this package reads the environment. The validation library comes with ``load`` alone.
"""
