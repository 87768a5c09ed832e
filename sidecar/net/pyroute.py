"""pyroute2 without what nobody needs here: the package itself imports every protocol and a database, 6 MiB and 60 ms.

Whoever imports one of its modules imports this one first, so that the package is there and was not run.
"""

import importlib.util
import sys

if "pyroute2" not in sys.modules:
    _spec = importlib.util.find_spec("pyroute2")
    if _spec is not None:
        sys.modules["pyroute2"] = importlib.util.module_from_spec(_spec)

from pyroute2.iproute.linux import IPRoute
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.marshal import MarshalRtnl

__all__ = ["IPRoute", "MarshalRtnl", "NetlinkError", "ifaddrmsg"]
