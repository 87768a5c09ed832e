"""Images without a registry: the pause image made here, and a containerd folder that every node starts as a copy of.

Importing an image once and sharing its files by hard links costs 0.4 s a node; importing it into each costs seconds.
"""

import fcntl
import hashlib
import io
import json
import platform
import shutil
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.e2e.cluster.layout import ClusterError, cache, program
from tests.e2e.cluster.shell import run, start, stop, wait_for

PAUSE = "localhost/pause:3.10"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
SEED_CONFIG = """version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[plugins."io.containerd.internal.v1.opt"]
path = "{folder}/opt"
"""
IMPORT_SECONDS = 300.0


def write_archive(path: Path, name: str, binary: Path) -> None:
    """A docker archive of an image `name` whose whole content is one static program."""
    layer = _tar({binary.name: (binary.read_bytes(), 0o755)})
    digest = hashlib.sha256(layer).hexdigest()
    config = {
        "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": {"Entrypoint": [f"/{binary.name}"], "User": "65535:65535"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    said = json.dumps(config).encode()
    file = f"{hashlib.sha256(said).hexdigest()}.json"
    manifest = json.dumps([{"Config": file, "RepoTags": [name], "Layers": [f"{digest}.tar"]}]).encode()
    files = {file: (said, 0o644), f"{digest}.tar": (layer, 0o644), "manifest.json": (manifest, 0o644)}
    path.write_bytes(_tar(files))


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name, (content, mode) in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            archive.addfile(member, io.BytesIO(content))
    return made.getvalue()


def seed(archives: Sequence[Path]) -> Path:
    """The containerd folder that holds the pause image and these archives, made if it is not there yet."""
    pause = Path(program("pause"))
    parts = [_digest(path) for path in (pause.resolve(), *archives)]
    seeds = cache() / "seeds"
    made = seeds / hashlib.sha256("".join(parts).encode()).hexdigest()[:16]
    seeds.mkdir(parents=True, exist_ok=True)
    with (cache() / "seeds.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another run makes the same, or would clear away what this one is making
        if not made.exists():
            with tempfile.TemporaryDirectory(dir=seeds, prefix=".new-") as new:
                _import_all(Path(new), pause, archives)
                (Path(new) / "root").rename(made)
            _forget_others(seeds, made)
    return made


def _forget_others(seeds: Path, kept: Path) -> None:
    """Two seeds stay, the last two made: nodes have links of their own, so removing one breaks no cluster."""
    old = sorted((path for path in seeds.iterdir() if path != kept), key=lambda path: path.stat().st_mtime)
    for path in old[:-1]:
        shutil.rmtree(path, ignore_errors=True)


def _digest(path: Path) -> str:
    if not path.is_file():
        raise ClusterError(f"no image archive {path}")
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _import_all(folder: Path, pause: Path, archives: Sequence[Path]) -> None:
    """Fill `folder`/root by a containerd that runs only for this."""
    address, pidfile, config = folder / "socket", folder / "pid", folder / "config.toml"
    config.write_text(SEED_CONFIG.format(folder=folder))
    write_archive(folder / "pause.tar", PAUSE, pause)
    places = ["--root", str(folder / "root"), "--state", str(folder / "state"), "--address", str(address)]
    start(["containerd", "--config", str(config), *places], log=folder / "log", pidfile=pidfile)
    try:
        wait_for("containerd to make an image folder", address.exists, 30)
        for archive in (folder / "pause.tar", *archives):
            command = ["ctr", "--address", str(address), "--namespace", "k8s.io", "images", "import", str(archive)]
            run(command, timeout=IMPORT_SECONDS)
    except ClusterError as error:
        raise ClusterError(f"{error}; containerd said: {(folder / 'log').read_text()[-1000:]}") from error
    finally:
        stop([pidfile])


def plant(seeded: Path, root: Path) -> None:
    """Give a node its containerd folder: files shared with the seed, except the data bases, which it changes."""
    linked = run(["cp", "-al", str(seeded), str(root)], check=False)
    if linked.returncode:  # another file system: slower, and takes its room
        shutil.rmtree(root, ignore_errors=True)
        run(["cp", "-a", str(seeded), str(root)], timeout=IMPORT_SECONDS)
        return
    for data in list(root.rglob("*.db")):
        if "snapshots" not in data.relative_to(root).parts:
            copy = data.with_suffix(".copy")
            shutil.copy2(data, copy)
            copy.replace(data)
