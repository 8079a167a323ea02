"""From samples to the tables: medians over rounds, ratios taken within a round."""

import statistics

from benchmarks import report
from benchmarks.batch.measure import Group, Runner

MEMORY_MB = 150.0
BOOSTING, LOGISTIC = "boosting-500", "logistic"


def table(runner: Runner) -> list[report.Row]:
    """A row for each way of each group."""
    return [_row(runner, group, way) for group, way in runner.samples]


def _row(runner: Runner, group: Group, way: str) -> report.Row:
    samples, ratios = runner.samples[group, way], runner.ratios(group, way)
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return {
        "model": group.model,
        "file": group.file,
        "output": group.output,
        "rows": group.rows,
        "cores": group.cores,
        "way": way,
        "k rows/s": statistics.median(sample.rate for sample in samples) / 1000,
        "ours ×": middle,
        "quartiles": f"{low:.2f}–{high:.2f}",
        "start to end s": statistics.median(sample.whole for sample in samples),
        "MB": max(sample.memory for sample in samples),
    }


def targets(runner: Runner) -> list[report.Row]:
    """The targets, and whether they are met."""
    rows: list[report.Row] = []

    def add(what: str, value: float, goal: float, *, least: bool = True) -> None:
        rows.append(report.target(what, value, goal, least=least))

    def add_each(model: str, file: str, way: str, goal: float, cores: tuple[int, ...]) -> None:
        for group, other in runner.samples:
            if (group.model, group.file, other) == (model, file, way) and group.cores in cores:
                what = f"{file}, {model}, {_columns(group)}, {group.rows:,} rows, {_cores(group.cores)}, × {way}"
                add(what, runner.ratio(group, way), goal)

    add_each(BOOSTING, "csv", "alone", 0.9, (1, 2))
    add_each(BOOSTING, "parquet", "alone", 0.8, (1, 2))
    add_each(LOGISTIC, "csv", "pandas", 3.5, (2,))
    add_each(LOGISTIC, "jsonl", "json", 4.0, (1,))
    for group in dict.fromkeys(group for group, _ in runner.samples):
        others = [way for each, way in runner.samples if each == group and way not in ("despliegue", "alone")]
        if others:
            fastest = min(others, key=lambda way: runner.ratio(group, way))
            what = f"{group.file}, {group.model}, {_columns(group)}, {group.rows:,} rows, {_cores(group.cores)}"
            add(f"{what}, × the fastest peer ({fastest})", runner.ratio(group, fastest), 1.0)
    ours = [sample.memory for (_, way), samples in runner.samples.items() if way == "despliegue" for sample in samples]
    add("largest process, MB", max(ours), MEMORY_MB, least=False)
    return rows


def _columns(group: Group) -> str:
    return "all columns" if group.output == "join" else "predictions alone"


def _cores(number: int) -> str:
    return "1 core" if number == 1 else f"{number} cores"
