"""The tables in the documentation, from benchmarks/results/*.json: each stands between two comments that name it.

    python -m benchmarks.tables

tests/unit/test_benchmark_tables.py fails where a document shows other figures than the results.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from benchmarks import report
from benchmarks.deployment import ROOT

DOCUMENTS: Final = ("README.md", "README.es.md", "docs/performance.md", "docs/scale.md")
_BLOCK: Final = re.compile(r"(<!-- benchmarks: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)

type Result = Mapping[str, Any]


def blocks(text: str) -> str:
    """`text` with each table made anew.

    Raises:
        KeyError: a table that there is not.
        FileNotFoundError: its figures were not measured yet; the name says by which command they are.
    """
    return _BLOCK.sub(lambda block: f"{block[1]}\n{_table(block[2])}\n\n{block[3]}", text)


def write() -> None:
    """Bring all documents up to date."""
    for name in DOCUMENTS:
        path = ROOT / name
        path.write_text(blocks(path.read_text()))


def result(name: str) -> Result:
    """What `python -m benchmarks.<name> --save` left."""
    found: Result = json.loads((report.RESULTS / f"{name}.json").read_bytes())
    return found


def _table(block: str) -> str:
    """The Markdown of a table: `<benchmark>.<table>`, or one of `_MADE`."""
    if block in _MADE:
        rows = _MADE[block]()
    else:
        name, _, table = block.partition(".")
        rows = result(name)[table]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    numbers = {column for column in columns if any(isinstance(row.get(column), int | float) for row in rows)}
    lines = [columns, ["--:" if column in numbers else "---" for column in columns]]
    lines += [[report.text(row.get(column)) for column in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _http() -> list[report.Row]:
    """A line for each server: its best form of request for each model and number of rows, start and memory."""
    found = result("http")
    servers = {row["server"]: row for row in found["servers"]}
    table: list[report.Row] = []
    for server in servers:
        rates: dict[tuple[str, int], float] = {}
        for row in found["rows"]:
            if row["server"] == server and row.get("form") == "json":
                rates[row["model"], row["rows"]] = row["rate ×"]
        if not rates:
            continue
        line: report.Row = {"server": f"`{server} serve`" if server == "despliegue" else server}
        line |= {f"{rows:,} row{'s' * (rows > 1)}": rates["logistic", rows] for rows in (1, 32, 1024)}
        line |= {"1,024 rows, 100 trees": rates["boosting", 1024]}
        line |= {"first reply": servers[server]["start ×"], "memory": servers[server]["memory ×"]}
        table.append(line)
    return table


def _targets() -> list[report.Row]:
    """All targets of all benchmarks."""
    return [
        {"benchmark": path.stem} | row
        for path in sorted(report.RESULTS.glob("*.json"))
        for row in json.loads(path.read_bytes()).get("targets", ())
    ]


def _machine() -> list[report.Row]:
    return [{"": key, "measured on": value} for key, value in result("http")["machine"].items() if key != "load"]


_MADE: Final[dict[str, Callable[[], list[report.Row]]]] = {"http": _http, "targets": _targets, "machine": _machine}

if __name__ == "__main__":
    write()
