"""How results are shown: a plain table with verdicts and the machine, or JSON."""

import argparse
import json
import os
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

type Cell = str | float | int | None
type Row = dict[str, Cell]

RESULTS = Path(__file__).parent / "results"


def arguments(
    description: str | None, *, rounds: int | None = None, rows: int | None = None, quick: int | None = None
) -> argparse.Namespace:
    """The options that every benchmark has; `quick` is the number of rounds that --quick stands for."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    if rounds is not None:
        parser.add_argument("--rounds", type=int, default=rounds, help=f"interleaved rounds (default {rounds})")
    if rows is not None:
        parser.add_argument("--rows", type=int, default=rows, help=f"rows of a file (default {rows:,})")
    if quick is not None:
        parser.add_argument("--quick", action="store_true", help=f"{quick} rounds, and the least of the rest")
    parser.add_argument("--json", action="store_true", help="print JSON, for a script")
    parser.add_argument("--save", action="store_true", help=f"also write {RESULTS.name}/<name>.json")
    options = parser.parse_args()
    if quick is not None and options.quick:
        options.rounds = quick
    return options


def verdict(value: float, budget: float) -> str:
    """Whether a budget was met. Never an exit code: a noisy machine must not fail a check."""
    return "met" if value <= budget else "over"


def target(what: str, measured: float, goal: float, *, least: bool = False) -> Row:
    """A row of the table `targets`, which docs/performance.md shows.

    Args:
        what: is measured.
        measured: its figure.
        goal: the most that it may be.
        least: the goal is the least that it may be instead.
    """
    met = measured >= goal if least else measured <= goal
    sign = "≥" if least else "≤"
    return {"target": what, "measured": measured, "goal": f"{sign} {goal:.3g}", "verdict": "met" if met else "missed"}


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cpus": str(os.process_cpu_count()),
        "load": f"{os.getloadavg()[0]:.1f}",
        "python": platform.python_version(),
        "onnxruntime": version("onnxruntime"),
        "numpy": version("numpy"),
    }


def show(
    name: str,
    rows: list[Row],
    options: argparse.Namespace,
    notes: str = "",
    more: Mapping[str, list[Row]] | None = None,
    versions: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Print the rows as a table or as JSON, and save them if asked to.

    Args:
        name: of the benchmark.
        rows: the table.
        options: as `arguments` gives them.
        notes: what is said below the tables.
        more: further tables, by name.
        versions: of what was installed for it, by who it was for; for JSON only.
    """
    more = more or {}
    result = {"benchmark": name, "machine": machine(), "rows": rows, **more}
    document = json.dumps(result | ({"versions": versions} if versions else {}), indent=2)
    if options.save:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(document + "\n")
    if options.json:
        print(document)
        return
    print(f"{name}  ({', '.join(f'{key} {value}' for key, value in machine().items())})\n")
    _print_table(rows)
    for title, table in more.items():
        print(f"\n{title}\n")
        _print_table(table)
    if notes:
        print(f"\n{notes}")
    sys.stdout.flush()


def _print_table(rows: list[Row]) -> None:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [columns] + [[text(row.get(column)) for column in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        first, *rest = (text.rjust(width) for text, width in zip(line, widths, strict=True))
        print("  ".join([first.strip().ljust(widths[0]), *rest]).rstrip())


def text(cell: Cell) -> str:
    """A cell as a table shows it."""
    if isinstance(cell, float):
        return f"{cell:,.2f}" if abs(cell) < 10 else f"{cell:,.1f}"
    return "" if cell is None else f"{cell:,}" if isinstance(cell, int) else cell


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
