"""The tables and bars in the documentation, from benchmarks/results/*.json: a table stands between two comments.

    python -m benchmarks.tables

tests/unit/test_benchmark_tables.py fails where a document shows other figures than the results.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks import report
from benchmarks.deployment import ROOT

DOCUMENTS: Final = ("README.md", "README.es.md", "docs/performance.md", "docs/scale.md")
_BLOCK: Final = re.compile(r"(<!-- benchmarks: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)

_REQUESTS: Final = (
    ("logistic", 1, "1 row"),
    ("logistic", 32, "32 rows"),
    ("logistic", 1024, "1,024 rows"),
    ("boosting", 1024, "1,024 rows, 100 trees"),
)

type Result = Mapping[str, Any]


def blocks(text: str) -> str:
    """`text` with each table made anew.

    Raises:
        KeyError: a table that there is not.
        FileNotFoundError: its figures were not measured yet; the name says by which command they are.
    """
    return _BLOCK.sub(lambda block: f"{block[1]}\n{_table(block[2])}\n\n{block[3]}", text)


def write() -> None:
    """Bring all documents up to date, and the bars that they show."""
    for name in DOCUMENTS:
        path = ROOT / name
        path.write_text(blocks(path.read_text()))
    draw(report.RESULTS)


def draw(folder: Path) -> None:
    """Draw the bars, a file each."""
    from benchmarks import plots  # here: the tests of the tables need no matplotlib

    plots.save_bars(folder / "http-rates.svg", "Requests a second", "× FastAPI", _rates())
    plots.save_bars(folder / "emulator-p50.svg", "One request on Lambda, p50", "× the naive handler", _handlers())
    plots.save_bars(folder / "batch-rates.svg", "Rows a second, largest file, 2 cores", "× despliegue", _files())


def _handlers() -> dict[str, dict[str, float]]:
    """p50 as a multiple of the naive handler's, by handler and by number of rows."""
    bars: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for row in result("emulator")["rows"]:
        if row.get("p50 ×") and row["model"] == "logistic" and row["body"] == "base64":
            bars[row["handler"]][f"{row['rows']:,} row{'s' * (row['rows'] > 1)}"] = row["p50 ×"]
    return bars


def _files() -> dict[str, dict[str, float]]:
    """The rates as multiples of ours, by way and by file."""
    bars: defaultdict[str, dict[str, float]] = defaultdict(dict)
    rows = result("batch")["rows"]
    largest = max(row["rows"] for row in rows)
    for row in rows:
        if (row["rows"], row["cores"]) == (largest, 2) and (row["model"], row["way"]) != ("logistic", "alone"):
            what = f"{row['file']}, {row['model']}" + ", bare" * (row["output"] == "bare")
            bars[row["way"]][what] = 1 / row["ours ×"]
    return bars


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
    servers = {row["server"]: row for row in result("http")["servers"]}
    table: list[report.Row] = []
    for server, rates in _rates().items():
        line: report.Row = {"server": f"`{server} serve`" if server == "despliegue" else server}
        line |= rates
        line |= {"first reply": servers[server]["start ×"], "memory": servers[server]["memory ×"]}
        table.append(line)
    return table


def _rates() -> dict[str, dict[str, float]]:
    """Requests a second as multiples of FastAPI's, by server and by request, in each server's own JSON."""
    found = result("http")
    rates: dict[str, dict[str, float]] = {row["server"]: {} for row in found["servers"]}
    for model, rows, what in _REQUESTS:
        for row in found["rows"]:
            if (row["model"], row["rows"], row.get("form")) == (model, rows, "json"):
                rates[row["server"]][what] = row["rate ×"]
    return {server: bars for server, bars in rates.items() if bars}


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
