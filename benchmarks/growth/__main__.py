"""How cost grows with what grows: rows, features, models, file size, concurrent requests.

    python -m benchmarks.growth [CURVE ...] [--rounds N] [--quick | --full] [--json] [--save]

Curves: `handler` (rows per request and features per row: the whole handler in process, JSON and binary), `models` (in
the repository, to the first reply of one), `files` (scored, CSV, one and two workers), `connections` (to `despliegue
serve`); all of them unless named. --save replaces results/growth.json with what was run, and draws growth-*.svg there.

`exponent` is the slope of log cost over log size by least squares in the last decade of sizes, which `over` says: 1 is
linear, 0 flat. It is below what it will be where a constant part still shows, so a, b and k are those of
cost = a + b·n^k, fitted over all sizes by relative errors, and `worst error` is where that law misses most.

Files go to 100 MB, with --quick to 10 MB and with --full to 5 GB: that takes 15 GB of free disk and some minutes (one
run each above 100 MB), and all is deleted.
"""

import argparse

from benchmarks import plots, report
from benchmarks.growth import concurrency, files, fit, handler, repository
from benchmarks.growth.fit import Curve

ROUNDS, QUICK_ROUNDS = 9, 2
CURVES = ("handler", "models", "files", "connections")


def arguments() -> argparse.Namespace:
    """The command's options; report.arguments has neither curves nor --full."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("curves", nargs="*", metavar="CURVE", choices=CURVES, help=", ".join(CURVES))
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"interleaved rounds (default {ROUNDS})")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds, files to 10 MB")
    how.add_argument("--full", action="store_true", help="files to 5 GB")
    parser.add_argument("--json", action="store_true", help="print JSON, for a script")
    parser.add_argument("--save", action="store_true", help="also write results/growth.json and growth-*.svg")
    options = parser.parse_args()
    options.curves = options.curves or list(CURVES)
    if options.quick:
        options.rounds = QUICK_ROUNDS
    return options


def measure(curve: str, options: argparse.Namespace) -> tuple[list[Curve], list[report.Row]]:
    """The curves of one kind, and its table."""
    rounds: int = options.rounds
    if curve == "handler":
        return handler.measure(rounds, handler.ROWS, handler.FEATURES)
    if curve == "models":
        return repository.measure(rounds)
    if curve == "files":
        largest = 10 if options.quick else 5000 if options.full else 100
        return files.measure(min(rounds, 3), [size for size in files.MEGABYTES if size <= largest])
    return concurrency.measure(rounds, 0.2 if options.quick else 1.0)


def targets(curves: dict[str, Curve]) -> list[report.Row]:
    """What each curve is held to, for those that were measured."""
    rows: list[report.Row] = []
    for name, curve in curves.items():
        costs = [cost for _, cost in curve.points]
        if name.endswith("memory"):
            rows.append(report.target(f"{name}, peak MB", max(costs), 150))
        elif name.startswith("file, ") or (name.startswith(("rows, logistic", "features")) and name.endswith(", own")):
            # Of boosting the own cost is a small difference of two large times, and mostly their noise.
            if (measured := fit.exponent(curve.points)) is not None:
                rows.append(report.target(f"{name}, exponent", measured, 1.05))
        elif name.startswith("models, "):
            rows.append(report.target(f"{name}, × one model", curve.growth, 1.05))
        elif name == "connections, requests/s":
            rows.append(report.target(f"{name}, last / best", costs[-1] / max(costs), 0.9, least=True))
    return rows


def draw(curves: list[Curve]) -> None:
    """A plot for each kind of size and unit."""
    kinds = {
        "rows": ("rows", "µs", "Rows per request", "rows per request", "handler, µs"),
        "features": ("features", "µs", "Features per row", "features per row", "handler, µs"),
        "models": ("models", "ms", "Models in the repository", "models", "start to first reply, ms"),
        "files": ("file", "s", "Scoring a file", "file, MB", "s"),
        "memory": ("file", "MB", "Scoring a file: peak memory of the largest process", "file, MB", "MB"),
        "connections": ("connections", "µs", "Concurrent requests", "connections", "a request, µs"),
        "throughput": ("connections", "/s", "Concurrent requests: throughput", "connections", "requests/s"),
    }
    report.RESULTS.mkdir(exist_ok=True)
    for kind, (start, unit, title, across, up) in kinds.items():
        chosen = [each for each in curves if each.name.startswith(start) and each.unit == unit]
        if chosen:
            lines = {each.name.partition(", ")[2]: each.points for each in chosen}
            plots.save_curves(report.RESULTS / f"growth-{kind}.svg", title, across, up, lines)


def main() -> None:
    """The command."""
    options = arguments()
    curves: list[Curve] = []
    tables = {}
    for curve in options.curves:
        found, tables[curve] = measure(curve, options)
        curves += found
    by_name = {curve.name: curve for curve in curves}
    note = (
        f"{options.rounds} interleaved rounds, medians. exponent: slope of log cost over log size in the range `over`;"
        " a + b·n^k: fitted over all sizes, none where the cost does not grow by half"
    )
    rows = [fit.row(curve) for curve in curves]
    report.show("growth", rows, options, note, {"targets": targets(by_name), **tables})
    if options.save:
        draw(curves)


if __name__ == "__main__":
    main()
