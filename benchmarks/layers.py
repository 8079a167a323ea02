"""Sizes of the built layers, unzipped, against their budgets and Lambda's limit.

Budgets, MiB: runtime ≤ 95; ScoreFunction without models ≤ 135; every function with its layers ≤ 250, which is Lambda's
limit.

    make build && python -m benchmarks.layers [--json] [--save]
"""

from pathlib import Path

from benchmarks import report
from benchmarks.deployment import ROOT, read_template

BUILD = ROOT / ".aws-sam/build"
MODELS = "ModelsLayer"
RUNTIME_BUDGET_MIB = 95.0
SCORE_BUDGET_MIB = 135.0
LAMBDA_LIMIT_MIB = 250.0
MIB = 2**20


def layers_of_functions() -> dict[str, list[str]]:
    """The layers that template.yaml gives each function."""
    resources = read_template()["Resources"]
    return {
        name: [layer["Ref"] for layer in each["Properties"]["Layers"]]
        for name, each in resources.items()
        if each["Type"] == "AWS::Serverless::Function"
    }


def size(folder: Path) -> float:
    """What the files of a folder hold, in MiB; links are followed, as zipping does."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / MIB


def measure(functions: dict[str, list[str]]) -> list[report.Row]:
    """A row for each layer and function, then one for each function with its layers.

    Raises:
        FileNotFoundError: a part is not built.
    """
    names = list(dict.fromkeys([*(layer for layers in functions.values() for layer in layers), *functions]))
    if missing := [name for name in names if not (BUILD / name).is_dir()]:
        raise FileNotFoundError(f"{BUILD.relative_to(ROOT)} has no {', '.join(missing)}: run `make build` first")
    sizes = {name: size(BUILD / name) for name in names}
    budgets = {"RuntimeLayer": RUNTIME_BUDGET_MIB}
    for function, layers in functions.items():
        whole = f"{function} with its layers"
        sizes[whole] = sizes[function] + sum(sizes[layer] for layer in layers)
        budgets[whole] = LAMBDA_LIMIT_MIB
    without = "ScoreFunction without models"
    sizes[without] = sizes["ScoreFunction with its layers"] - sizes[MODELS]
    budgets[without] = SCORE_BUDGET_MIB
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
    try:
        rows = measure(layers_of_functions())
    except FileNotFoundError as missing:
        raise SystemExit(str(missing)) from None
    report.show("layers", rows, options)


if __name__ == "__main__":
    main()
