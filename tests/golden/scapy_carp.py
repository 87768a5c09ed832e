"""scapy's own CARP layer, which only parses and compares here; its import must not take VRRP away from other tests."""

import logging

from scapy.layers.inet import IP
from scapy.layers.vrrp import VRRP, VRRPv3
from scapy.packet import bind_layers, split_layers

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)  # "CARP overwrites VRRP": it shall not, see below

from scapy.contrib.carp import CARP  # noqa: E402

split_layers(IP, CARP, proto=112, dst="224.0.0.18")
bind_layers(IP, VRRP, proto=112)
bind_layers(IP, VRRPv3, proto=112)

__all__ = ["CARP"]
