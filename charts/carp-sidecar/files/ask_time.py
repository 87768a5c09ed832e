"""Asks every virtual address for the time, and Kubernetes who the master is. Arguments: selector or "", addresses.

An address of a family that this pod's network does not have cannot be asked; that is said and is no failure.
"""

import errno
import socket
import struct
import sys
import time

_FROM_1900 = 2_208_988_800
_NO_WAY = {errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


class NoWayError(Exception):
    """This pod's network does not know the address's family."""


def ask(address: str) -> str | None:
    """A sentence about a good answer; None without one."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.settimeout(1)
        sent = struct.pack("!II", int(time.time()) + _FROM_1900 & 0xFFFFFFFF, time.monotonic_ns() & 0xFFFFFFFF)
        try:
            asking.sendto(b"\x23" + 39 * b"\0" + sent, (address, 123))
            answer, source = asking.recvfrom(512)
        except OSError as error:
            if error.errno in _NO_WAY:
                raise NoWayError from error
            return None
    if len(answer) < 48 or answer[0] & 7 != 4 or answer[24:32] != sent or source[0] != address:
        return None
    leap, stratum = answer[0] >> 6, answer[1]
    good = "synchronised" if leap != 3 and 0 < stratum < 16 else "not synchronised"
    return f"{address} answers: stratum {stratum}, {good}"


def answers(address: str) -> bool | None:
    """None: it could not be asked from here."""
    try:
        for _ in range(15):
            if sentence := ask(address):
                print(sentence)
                return True
    except NoWayError:
        print(f"{address} was not asked: this pod's network has no IPv{6 if ':' in address else 4}")
        return None
    print(f"{address} does not answer")
    return False


def one_master(selector: str) -> bool:
    from kubernetes import client, config

    config.load_incluster_config()
    with open("/var/run/secrets/kubernetes.io/serviceaccount/namespace") as file:
        namespace = file.read()
    found: list[str] = []
    for _ in range(15):
        pods = client.CoreV1Api().list_namespaced_pod(namespace, label_selector=selector, _request_timeout=5).items
        found = [pod.metadata.name for pod in pods]
        if len(found) == 1:
            break
        time.sleep(1)
    print(f"master: {', '.join(found) or 'nobody'}")
    return len(found) == 1


good = [answer for address in sys.argv[2:] if (answer := answers(address)) is not None]
asked = bool(good)
if sys.argv[1]:
    good.append(one_master(sys.argv[1]))
sys.exit(not (asked and all(good)))
