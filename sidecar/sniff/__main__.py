"""`python -m sidecar.sniff`: the command by itself, with the arguments that `carp-sidecar sniff` takes."""

import argparse
import sys

from sidecar.errors import ConfigError, SidecarError
from sidecar.sniff.command import main


def parser() -> argparse.ArgumentParser:
    """The arguments of `sniff`."""
    made = argparse.ArgumentParser(prog="python -m sidecar.sniff", description="decode and verify CARP and VRRP frames")
    source = made.add_mutually_exclusive_group(required=True)
    source.add_argument("--interface", metavar="NAME", help="listen on an interface (CAP_NET_RAW)")
    source.add_argument("--pcap", metavar="FILE", help="read a pcap or pcapng capture; - is standard input")
    made.add_argument("--passphrase-file", metavar="FILE", help="a passphrase a line, each is tried")
    made.add_argument("--addresses", metavar="LIST", help="virtual addresses, comma-separated")
    made.add_argument("--vhid", metavar="1-255", help="the virtual host to judge by; the others are badvhid")
    made.add_argument("--count", metavar="N", help="stop after N frames of CARP or VRRP")
    made.add_argument("--seconds", metavar="S", help="stop after S seconds")
    made.add_argument("--json", action="store_true", help="one JSON object a line")
    return made


def run() -> int:
    """Exit code: 0, 1 failure, 2 usage, 78 invalid configuration."""
    try:
        return main(parser().parse_args())
    except SidecarError as error:
        print(f"sniff: {error}", file=sys.stderr)
        return 78 if isinstance(error, ConfigError) else 1


if __name__ == "__main__":
    sys.exit(run())
