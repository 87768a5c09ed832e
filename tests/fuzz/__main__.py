"""`make fuzz`: each target under libFuzzer for a while, or a written input again. By hand:

    python -m tests.fuzz [TARGET ...] [--seconds 60] [--seed N] [--keep]
    python -m tests.fuzz TARGET --replay FILE ...

A fault's input is written to build/fuzz/TARGET and stays; what was found on the way stays in build/fuzz/TARGET/corpus
for the next run, and with --keep the part of it that covers more goes into the repository's corpus.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.targets import BUILD, TARGETS, Target

HOME = Path(__file__).resolve().parents[2]
_HANGS = 10
"""Seconds that one input may take."""


class Guided(NamedTuple):
    """A command and its environment that run a target under libFuzzer."""

    command: list[str]
    env: dict[str, str]


def guided(target: Target, folder: Path, *arguments: object, home: Path = HOME) -> Guided:
    """``folder``: where an input that finds a fault is written; ``home``: whose product is fuzzed."""
    words = [f"-dict={target.words}"] if target.words else []
    limits = [f"-max_len={target.longest}", f"-timeout={_HANGS}", "-rss_limit_mb=1024"]
    command = [sys.executable, "-m", "tests.fuzz.guided", target.name, *limits, *words, f"-artifact_prefix={folder}/"]
    return Guided([*command, *map(str, arguments)], os.environ | {"PYTHONPATH": str(home)})


def fuzz(target: Target, folder: Path, seconds: int, seed: int | None = None) -> int:
    """Run it; what libFuzzer says goes to standard error. 0: no fault."""
    found = folder / "corpus"
    found.mkdir(parents=True, exist_ok=True)
    seeded = [] if seed is None else [f"-seed={seed}"]
    run = guided(target, folder, f"-max_total_time={seconds}", *seeded, found, target.corpus)
    return subprocess.run(run.command, env=run.env, check=False).returncode


def keep(target: Target, folder: Path) -> int:
    """Take into the repository what covers more than is there; how many."""
    before = len(list(target.corpus.iterdir()))
    merge = guided(target, folder, "-set_cover_merge=1", target.corpus, folder / "corpus")
    subprocess.run(merge.command, env=merge.env, check=True, capture_output=True)
    return len(list(target.corpus.iterdir())) - before


def replay(target: Target, files: list[Path]) -> None:
    """Raise what an input raises."""
    run = target.load()
    for file in files:
        run(file.read_bytes())
        print(f"{target.name}: {file}: no fault")


def main(args: argparse.Namespace) -> int:
    chosen = [TARGETS[name] for name in args.targets or TARGETS]
    if args.replay:
        replay(chosen[0], args.replay)
        return 0
    failed = []
    for target in chosen:
        print(f"fuzz: {target.name} for {args.seconds} s", flush=True)
        folder = BUILD / target.name
        if fuzz(target, folder, args.seconds, args.seed):
            failed.append(target.name)
        elif args.keep:
            print(f"fuzz: {target.name}: {keep(target, folder)} more inputs in {target.corpus}")
    for name in failed:
        print(f"fuzz: {name} FAILED; again: python -m tests.fuzz {name} --replay build/fuzz/{name}/crash-*")
    return 1 if failed else 0


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Look for inputs that break a promise.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all by default")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--seed", type=int, help="the same inputs in the same order")
    parser.add_argument("--keep", action="store_true", help="what covers more goes into tests/fuzz/corpus")
    parser.add_argument("--replay", type=Path, nargs="+", metavar="FILE", help="inputs to run again, without libFuzzer")
    args = parser.parse_args(argv)
    if unknown := [name for name in args.targets if name not in TARGETS]:
        parser.error(f"no target {unknown[0]}; there are {', '.join(TARGETS)}")
    if args.replay and len(args.targets) != 1:
        parser.error("--replay needs exactly one TARGET")
    return args


if __name__ == "__main__":
    sys.exit(main(parse(sys.argv[1:])))
