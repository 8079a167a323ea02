"""Sizes of the built layers, unzipped, against their budgets and Lambda's limit.

Budgets, MiB: runtime ≤ 95; PredictFunction with its layers ≤ 250, which is Lambda's limit.

    make build && python -m benchmarks.layers [--json] [--save]
"""

from pathlib import Path

from benchmarks import report
from benchmarks.deployment import FUNCTION, ROOT

BUILD = ROOT / ".aws-sam/build"
LAYERS = ["RuntimeLayer", "ServingLayer", "ModelsLayer"]
RUNTIME_BUDGET_MIB = 95.0
LAMBDA_LIMIT_MIB = 250.0
MIB = 2**20


def size(folder: Path) -> float:
    """What the files of a folder hold, in MiB; links are followed, as zipping does."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / MIB


def measure() -> list[report.Row]:
    """A row for each part of the function, and one for the whole."""
    sizes = {name: size(BUILD / name) for name in [*LAYERS, FUNCTION]}
    sizes[f"{FUNCTION} with its layers"] = sum(sizes.values())
    budgets = {"RuntimeLayer": RUNTIME_BUDGET_MIB, f"{FUNCTION} with its layers": LAMBDA_LIMIT_MIB}
    return [
        {
            "part": name,
            "MiB": mib,
            "budget MiB": budgets.get(name),
            "ratio": mib / budgets[name] if name in budgets else None,
            "verdict": report.verdict(mib, budgets[name]) if name in budgets else None,
        }
        for name, mib in sizes.items()
    ]


def main() -> None:
    """The command."""
    options = report.arguments(__doc__)
    if missing := [name for name in [*LAYERS, FUNCTION] if not (BUILD / name).is_dir()]:
        raise SystemExit(f"{BUILD.relative_to(ROOT)} has no {', '.join(missing)}: run `make build` first")
    report.show("layers", measure(), options)


if __name__ == "__main__":
    main()
