"""Numbers that the protocol fixes. Nothing here is a setting.

Sources: carp(4) of OpenBSD and FreeBSD, ``sys/netinet/ip_carp.h``, RFC 5798 for the shared group and MAC prefix.
"""

from typing import Final

PROTOCOL: Final = 112
"""IP protocol number, shared with VRRP."""
VERSION: Final = 2
TYPE_ADVERTISEMENT: Final = 1
VERSION_AND_TYPE: Final = VERSION << 4 | TYPE_ADVERTISEMENT
"""The first byte on the wire, 0x21."""
AUTHLEN: Final = 7
"""32-bit words of counter and digest: 2 + 5."""
TTL: Final = 255
HEADER_LENGTH: Final = 36
"""Bytes of a CARP header, which is the whole payload."""
KEY_LENGTH: Final = 19
"""Bytes of a passphrase that every implementation can use: a 20-byte field that keeps its terminator."""

GROUP_V4: Final = bytes((224, 0, 0, 18))
GROUP_V6: Final = bytes((0xFF, 0x02, *(0,) * 13, 0x12))

BOW_OUT: Final = 255
"""advbase and advskew of an advertisement that says goodbye."""
MAX_ADVBASE: Final = 254
MAX_ADVSKEW: Final = 254
MAX_DEMOTED_ADVSKEW: Final = 240
"""What demotion may raise advskew to (FreeBSD's CARP_MAXSKEW)."""
FULL_DEMOTION: Final = 240
"""A demotion that says: anybody else serves better than I do."""
MASTER_DOWN_INTERVALS: Final = 3
"""Silent intervals after which a backup takes over."""
MICROSECONDS: Final = 1_000_000
SKEW_PARTS: Final = 256
"""advskew counts 1/256 of a second."""
