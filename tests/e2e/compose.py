"""The compose file of docs/docker.md on a machine of the cluster, by runc alone: as Docker would, without Docker.

Understands what that file says and nothing else; a key that it does not know is an error. Images come from the
machine's containerd.
"""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.cluster import Node
from tests.e2e.cluster.layout import ClusterError
from tests.e2e.cluster.shell import wait_for

PAGE = Path(__file__).parents[2] / "docs" / "docker.md"
KNOWN = {
    *("image", "network_mode", "cap_drop", "cap_add", "security_opt", "read_only", "volumes", "tmpfs", "environment"),
    *("stop_grace_period", "restart"),
}
NAMESPACES = ("pid", "ipc", "uts", "mount")
BASE_MOUNTS: list[dict[str, Any]] = [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=65536k"]},
    {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev"]},
    {"destination": "/sys", "type": "bind", "source": "/sys", "options": ["rbind", "ro", "nosuid", "noexec", "nodev"]},
    {"destination": "/etc/hosts", "type": "bind", "source": "/etc/hosts", "options": ["rbind", "ro"]},
]
READONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]


def services() -> dict[str, dict[str, Any]]:
    """What the page tells people to write."""
    block = PAGE.read_text().split("<!-- compose -->\n```yaml\n")[1].split("```")[0]
    found: dict[str, dict[str, Any]] = yaml.safe_load(block)["services"]
    return found


class Service:
    """One service of the file on one machine, whose folder (beside compose.yaml) is `folder`."""

    def __init__(self, node: Node, name: str, image: str, folder: str, dotenv: dict[str, str]) -> None:
        self.node, self.name, self.folder = node, name, folder
        self.said = services()[name]
        if unknown := set(self.said) - KNOWN or self.said["network_mode"] != "host":
            raise ClusterError(f"service {name}: {unknown} is not understood here")
        self.bundle = f"{folder}/.{name}"
        self._mount(image)
        self.image = self._image_config(image)
        self._write(dotenv)

    def _mount(self, image: str) -> None:
        self.node.exec("mkdir", "-p", f"{self.bundle}/rootfs")
        self.node.exec("ctr", "-n", "k8s.io", "images", "mount", "--rw", image, f"{self.bundle}/rootfs")

    def _image_config(self, image: str) -> dict[str, Any]:
        def content(digest: str) -> dict[str, Any]:
            read: dict[str, Any] = json.loads(
                self.node.exec("ctr", "-n", "k8s.io", "content", "get", digest.strip()).stdout
            )
            return read

        listed = self.node.exec("ctr", "-n", "k8s.io", "images", "ls", f"name=={image}").stdout
        manifest = content(str(re.search(r"sha256:[0-9a-f]{64}", listed)[0]))  # type: ignore[index]
        config: dict[str, Any] = content(manifest["config"]["digest"])["config"]
        return config

    def _write(self, dotenv: dict[str, str]) -> None:
        uid, gid = map(int, self.image["User"].split(":"))
        environment = {
            key: re.sub(r"\$\{(\w+):-(\w*)\}", lambda found: dotenv.get(found[1], found[2]), str(value))
            for key, value in self.said["environment"].items()
        }
        capabilities = [f"CAP_{name}" for name in self.said["cap_add"]]
        spec = {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": uid, "gid": gid},
                "args": [*self.image["Entrypoint"], *(self.image.get("Cmd") or [])],
                "env": [*self.image["Env"], *(f"{key}={value}" for key, value in environment.items())],
                "cwd": self.image.get("WorkingDir") or "/",
                "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), capabilities),
                "noNewPrivileges": "no-new-privileges:true" in self.said.get("security_opt", []),
            },
            "root": {"path": "rootfs", "readonly": self.said["read_only"]},
            "mounts": [*BASE_MOUNTS, *self._volumes(), *self._tmpfs()],
            "linux": {"namespaces": [{"type": one} for one in NAMESPACES], "readonlyPaths": READONLY},
        }
        self.node.exec("sh", "-c", f"cat >{self.bundle}/config.json", stdin=json.dumps(spec))

    def _volumes(self) -> list[dict[str, Any]]:
        return [self._volume(*words.split(":")) for words in self.said.get("volumes", [])]

    def _volume(self, source: str, destination: str, mode: str = "rw") -> dict[str, Any]:
        """A folder beside the file, or a named volume: that one begins as the image has it."""
        place = f"{self.folder}/{source}"
        if not source.startswith("."):
            self.node.exec("sh", "-c", f"test -e {place} || cp -a {self.bundle}/rootfs{destination} {place}")
        return {"destination": destination, "type": "bind", "source": place, "options": ["rbind", mode]}

    def _tmpfs(self) -> list[dict[str, Any]]:
        found = [one.partition(":") for one in self.said.get("tmpfs", [])]
        options = {place: ["nosuid", "noexec", "nodev", *said.split(",")] for place, _, said in found}
        return [
            {"destination": place, "type": "tmpfs", "source": "tmpfs", "options": words}
            for place, words in options.items()
        ]

    # ------------------------------------------------------------------------------------------------ use

    def _runc(self, *words: str, check: bool = True) -> tuple[int, str]:
        done = self.node.exec("runc", "--root", f"{self.folder}/.runc", *words, check=check)
        return done.returncode, done.stdout + done.stderr

    def up(self) -> None:
        """Started, whether it ran before or not; what it says is in `log`."""
        self._runc("delete", "--force", self.name, check=False)
        command = f"exec runc --root {self.folder}/.runc run -d --bundle {self.bundle} {self.name}"
        self.node.exec("sh", "-c", f"{command} >>{self.bundle}/log 2>&1 </dev/null")

    @property
    def log(self) -> str:
        return self.node.exec("cat", f"{self.bundle}/log").stdout

    def exec(self, *words: str) -> tuple[int, str]:
        """Exit code and output of a command in it, as whoever the image says."""
        return self._runc("exec", self.name, *words, check=False)

    def health(self) -> tuple[int, str]:
        """What Docker would ask every ten seconds."""
        kind, *words = self.image["Healthcheck"]["Test"]
        assert kind == "CMD"
        return self.exec(*words)

    @property
    def runs(self) -> bool:
        code, said = self._runc("state", self.name, check=False)
        return code == 0 and json.loads(said)["status"] == "running"

    def stop(self, signal: str = "TERM") -> None:
        """`docker stop`, or with KILL `docker kill`."""
        self._runc("kill", self.name, signal)
        grace = int(self.said.get("stop_grace_period", "10s").rstrip("s"))
        wait_for(f"{self.name} on {self.node.name} to end", lambda: not self.runs, grace, 0.05)

    def remove(self) -> None:
        self._runc("delete", "--force", self.name, check=False)
        self.node.exec("ctr", "-n", "k8s.io", "images", "unmount", "--rm", f"{self.bundle}/rootfs", check=False)
