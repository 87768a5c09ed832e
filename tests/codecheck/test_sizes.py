"""What fits in a head: functions of ten lines, modules of three hundred and fifty.

A function's length is every line from `def` to its last, docstring included, decorators not.
"""

import ast
from collections import defaultdict
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

HARD_STOP = 60  # lines of any function
MOST = 40  # lines that 95 of 100 functions stay within
TYPICAL = 12  # lines of the median function of a package; we aim at 10
MODULE = 350


class Function(NamedTuple):
    """Where a function stands, and how many lines it takes."""

    module: Path
    name: str
    lines: int


def functions_of(module: Path) -> list[Function]:
    """Every function and method of a module, nested ones too."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    nodes = [node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, kinds)]
    return [Function(module, node.name, (node.end_lineno or node.lineno) - node.lineno + 1) for node in nodes]


def all_functions(checkout: Path) -> list[Function]:
    return [function for module in sorted((checkout / "sidecar").rglob("*.py")) for function in functions_of(module)]


def test_no_function_is_longer_than_sixty_lines(checkout: Path) -> None:
    too_long = [f"{f.module}: {f.name} takes {f.lines} lines" for f in all_functions(checkout) if f.lines > HARD_STOP]
    assert not too_long


def test_nearly_all_functions_fit_in_forty_lines(checkout: Path) -> None:
    lengths = [function.lines for function in all_functions(checkout)]
    assert quantiles(lengths, n=20)[-1] <= MOST


def test_a_typical_function_of_each_package_is_ten_lines_long(checkout: Path) -> None:
    lengths = defaultdict(list)
    for function in all_functions(checkout):
        lengths[function.module.parent.name].append(function.lines)
    assert {package: median(of) for package, of in lengths.items() if median(of) > TYPICAL} == {}


def test_no_module_is_longer_than_three_hundred_and_fifty_lines(checkout: Path) -> None:
    sizes = {module: len(module.read_text().splitlines()) for module in (checkout / "sidecar").rglob("*.py")}
    assert {str(module): lines for module, lines in sizes.items() if lines > MODULE} == {}


def test_length_counts_from_def_to_the_last_line(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        '@decorator\ndef outer():\n    """Two\n    lines."""\n    async def inner(): ...\n    return inner\n'
    )
    assert [(function.name, function.lines) for function in functions_of(module)] == [("outer", 5), ("inner", 1)]
