"""Every module opens with its law, and imports go downwards only."""

import ast
import subprocess
import sys
from pathlib import Path


def test_every_module_opens_with_its_law(checkout: Path) -> None:
    modules = sorted((checkout / "sidecar").rglob("*.py"))
    assert modules
    assert [str(module) for module in modules if not ast.get_docstring(ast.parse(module.read_text()))] == []


def test_imports_keep_to_the_floors(checkout: Path) -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
