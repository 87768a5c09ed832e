"""Process 1 of a private set of namespaces: makes it a machine of its own, then starts and reaps what it is told to.

Run by path with `python -I -S`, so it may use the standard library only. It obeys one socket; when that closes (its
owner ended, by whatever signal), it exits, and the kernel ends every process and namespace of the set with it.
"""

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys

MESSAGE_MAX = 1 << 20
SIOCSIFFLAGS = 0x8914
IFF_UP = 1


def main() -> None:
    owner = socket.socket(fileno=int(sys.argv[1]))
    owner.set_inheritable(False)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # the kernel spares process 1; what it starts inherits the default
    try:
        furnish(json.loads(sys.argv[2]))
    except (OSError, subprocess.SubprocessError) as error:
        reply(owner, {"error": str(error)})
        os._exit(1)
    reply(owner, {}, os.pidfd_open(os.getpid()))
    try:
        Init(owner).serve()
    finally:
        os._exit(0)


def furnish(plan: dict[str, object]) -> None:
    """Mount /proc, /run and /sys afresh, name the machine, bring its loopback up."""
    kept = [(path, os.open(path, os.O_PATH)) for path in _texts(plan["keep"]) if os.path.isdir(path)]
    mount("-t", "proc", "-o", "nosuid,nodev,noexec", "proc", "/proc")
    with contextlib.suppress(OSError):  # a container may mask parts of /sys: then the old one stays
        mount("-t", "sysfs", "-o", "nosuid,nodev,noexec", "sysfs", "/sys")
    mount("-t", "tmpfs", "-o", "nosuid,nodev,mode=755", "tmpfs", "/run")
    for path, descriptor in kept:
        os.makedirs(path, exist_ok=True)
        mount("--no-canonicalize", "--bind", f"/proc/self/fd/{descriptor}", path, descriptor=descriptor)
        os.close(descriptor)
    os.makedirs("/run/lock", exist_ok=True)
    if plan["hostname"]:
        socket.sethostname(str(plan["hostname"]))
    loopback_up()


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []


def mount(*arguments: str, descriptor: int | None = None) -> None:
    fds = () if descriptor is None else (descriptor,)
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False, pass_fds=fds)
    if done.returncode:
        raise OSError(done.stderr.strip() or f"mount {arguments[-1]} failed")


def loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))


def reply(owner: socket.socket, answer: dict[str, object], *descriptors: int) -> None:
    socket.send_fds(owner, [json.dumps(answer).encode()], list(descriptors))
    for descriptor in descriptors:
        os.close(descriptor)


class Init:
    """Answers one request at a time; between requests it reaps, adopted orphans included."""

    def __init__(self, owner: socket.socket) -> None:
        self.owner = owner
        self.children: dict[int, subprocess.Popen[bytes]] = {}
        self.woken, wake = socket.socketpair()
        self.woken.setblocking(False)
        wake.setblocking(False)
        self._wake = wake
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)

    def serve(self) -> None:
        while True:
            ready, _, _ = select.select([self.owner, self.woken], [], [])
            if self.woken in ready:
                with contextlib.suppress(BlockingIOError):
                    self.woken.recv(4096)
                self.reap()
            if self.owner in ready:
                message, descriptors, _, _ = socket.recv_fds(self.owner, MESSAGE_MAX, 3, socket.MSG_CMSG_CLOEXEC)
                if not message:
                    return
                self.answer(json.loads(message), descriptors)

    def reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                child = self.children.get(ended.si_pid)
                if child is None:
                    os.waitpid(ended.si_pid, 0)
                else:
                    child.wait()

    def answer(self, request: dict[str, object], descriptors: list[int]) -> None:
        operation = request["op"]
        if operation == "spawn":
            self.spawn(request, descriptors)
        elif operation == "status":
            self.reap()
            reply(self.owner, {"status": self.children[int(str(request["pid"]))].returncode})
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(-1, int(str(request["signal"])))  # everything in this pid namespace but process 1
            reply(self.owner, {})

    def spawn(self, request: dict[str, object], descriptors: list[int]) -> None:
        environment = request["env"]
        assert isinstance(environment, dict)
        stdin, stdout, stderr = descriptors
        try:
            child = subprocess.Popen(
                _texts(request["argv"]),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env={str(key): str(value) for key, value in environment.items()},
                cwd=str(request["cwd"]),
                start_new_session=bool(request["session"]),
            )
        except OSError as error:
            reply(self.owner, {"error": f"{error.strerror}: {error.filename}"})
        else:
            self.children[child.pid] = child
            reply(self.owner, {"pid": child.pid}, os.pidfd_open(child.pid))
        finally:
            for descriptor in descriptors:
                os.close(descriptor)


if __name__ == "__main__":
    main()
