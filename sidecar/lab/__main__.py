"""`python -m sidecar.lab COMMAND`: the same as `carp-sidecar lab COMMAND`."""

import argparse
import sys

from sidecar.lab.commands import add_commands, main

parser = argparse.ArgumentParser(prog="carp-sidecar lab", description="A laboratory of real nodes on this machine.")
add_commands(parser)
sys.exit(main(parser.parse_args()))
