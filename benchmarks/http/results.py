"""From samples to the table: medians over rounds, ratios taken within a round."""

import statistics
from collections.abc import Sequence

from benchmarks import report
from benchmarks.http.contenders import BASELINE, FLOOR, OURS
from benchmarks.http.measure import ROWS, Key, Measured, Sample


class Figures:
    """What a run says of each server, model, form and number of rows. µs are for orientation."""

    def __init__(self, measured: Measured) -> None:
        self.measured = measured
        self._samples = measured.samples

    def keys(self, model: str, rows: int) -> list[Key]:
        """The servers' cases of a model and a number of rows; those of the empty application are not among them."""
        return [key for key in self._samples if (key.model, key.rows) == (model, rows) and key.server != FLOOR]

    def ratios(self, key: Key, base: Key) -> list[float]:
        """Requests a second as a multiple of the base's, round by round."""
        return [mine.rate / other.rate for mine, other in self._pairs(key, base)]

    def processor_ratio(self, key: Key, base: Key) -> float:
        """Requests a second of processor time, as a multiple of the base's: what other processes disturb least."""
        return statistics.median(other.processor / mine.processor for mine, other in self._pairs(key, base))

    def latency(self, key: Key) -> float:
        """p50 of a request at a time, µs: the median of the rounds'."""
        return statistics.median(statistics.median(sample.latencies) for sample in self._samples[key]) * 1e6

    def tail(self, key: Key) -> float:
        """p99 / p50 of a request at a time over the quieter half of the rounds."""
        rounds = sorted((sample.latencies for sample in self._samples[key]), key=statistics.median)
        together = sorted(latency for each in rounds[: (len(rounds) + 1) // 2] for latency in each)
        return together[int(len(together) * 0.99)] / statistics.median(together)

    def alone(self, what: str, model: str, rows: int) -> float:
        """µs of `run` or `parse` alone."""
        name = {"run": "session.run", "parse": "parse"}[what]
        return statistics.median(self.measured.alone[Key(name, model, what, rows)]) * 1e6

    def floor(self, model: str, rows: int | None = None) -> float:
        """p50 of the empty application's reply, µs: to a request without a body, or with the JSON of so many rows."""
        form, rows = ("no body", 1) if rows is None else ("json", rows)
        return self.latency(Key(FLOOR, model, form, rows))

    def own(self, key: Key) -> float:
        """p50 less the empty reply's to a request without a body, less session.run, µs."""
        return self.latency(key) - self.floor(key.model) - self.alone("run", key.model, key.rows)

    def start(self, server: str) -> float:
        """Seconds to the first reply, as a multiple of the baseline's."""
        return statistics.median(self.measured.starts[server]) / statistics.median(self.measured.starts[BASELINE])

    def _pairs(self, key: Key, base: Key) -> list[tuple[Sample, Sample]]:
        return list(zip(self._samples[key], self._samples[base], strict=True))


def table(figures: Figures, models: Sequence[str]) -> list[report.Row]:
    """A row for each case of each server, after what the limits are."""
    rows: list[report.Row] = []
    for model in models:
        for count in ROWS:
            labels: report.Row = {"model": model, "rows": count}
            transport = figures.floor(model, count)
            rows.append(labels | {"server": "session.run alone", "p50 µs": figures.alone("run", model, count)})
            rows.append(labels | {"server": "parse alone", "p50 µs": figures.alone("parse", model, count)})
            rows.append(labels | {"server": "empty ASGI, no body", "p50 µs": figures.floor(model)})
            base = Key(BASELINE, model, "json", count)
            rate = statistics.median(figures.ratios(Key(FLOOR, model, "json", count), base))
            rows.append(labels | {"server": "empty ASGI, same body", "rate ×": rate, "p50 µs": transport})
            rows += [labels | _row(figures, key, base) for key in figures.keys(model, count)]
    return rows


def _row(figures: Figures, key: Key, base: Key) -> report.Row:
    ratios = figures.ratios(key, base)
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return {
        "server": key.server,
        "form": key.form,
        "rate ×": middle,
        "quartiles": f"{low:.2f}–{high:.2f}",
        "rate per CPU ×": figures.processor_ratio(key, base),
        "p50 µs": figures.latency(key),
        "p99/p50": figures.tail(key),
        "own cost µs": figures.own(key),
    }


def servers(figures: Figures) -> list[report.Row]:
    """A row for each server: start-up and memory."""
    memory = figures.measured.memory
    rows: list[report.Row] = []
    for server, taken in figures.measured.starts.items():
        if server in memory:
            row: report.Row = {"server": server, "start s": statistics.median(taken), "start ×": figures.start(server)}
            row |= {"starts": f"{min(taken):.2f}–{max(taken):.2f}"}
            rows.append(row | {"memory MB": memory[server], "memory ×": memory[server] / memory[BASELINE]})
    rows += [{"server": server, "start s": None, "starts": why} for server, why in figures.measured.missing.items()]
    return rows


def targets(figures: Figures) -> list[report.Row]:
    """The targets that concern HTTP, and whether they are met. Ratios are to FastAPI's JSON unless another is named."""
    rows: list[report.Row] = []

    def add(what: str, value: float, goal: float, *, least: bool) -> None:
        rows.append(report.target(what, value, goal, least=least))

    def rate(model: str, form: str, count: int, base: Key) -> float:
        return statistics.median(figures.ratios(Key(OURS, model, form, count), base))

    logistic, boosting = "logistic", "boosting"
    fastapi = {(model, count): Key(BASELINE, model, "json", count) for model in (logistic, boosting) for count in ROWS}
    for count, goal in zip(ROWS, (3.0, 3.5, 4.5), strict=True):
        add(f"rate, JSON, {count} rows", rate(logistic, "json", count, fastapi[logistic, count]), goal, least=True)
    mlserver = Key("MLServer", logistic, "json", 1024)
    if mlserver in figures.measured.samples:
        add("rate, JSON, 1024 rows, × MLServer", rate(logistic, "json", 1024, mlserver), 2.8, least=True)
    add("rate, JSON, 1024 rows, boosting", rate(boosting, "json", 1024, fastapi[boosting, 1024]), 1.9, least=True)
    for count, goal in zip(ROWS, (3.0, 4.5, 14.0), strict=True):
        add(f"rate, binary, {count} rows", rate(logistic, "binary", count, fastapi[logistic, count]), goal, least=True)
    for count in (32, 1024):
        own = Key(OURS, logistic, "json", count)
        add(f"rate, binary, {count} rows, × our JSON", rate(logistic, "binary", count, own), 1.0, least=True)
    # In µs as they were set; and, since that was on another machine, as a part of the best peer's own cost there.
    for count, goal, best_peer in zip(ROWS, (60, 90, 550), (204, 318, 2383), strict=True):
        key = Key(OURS, logistic, "json", count)
        add(f"own cost µs, JSON, {count} rows", figures.own(key), goal, least=False)
        least = min(figures.own(peer) for peer in figures.keys(logistic, count) if peer.server != OURS)
        add(f"own cost, JSON, {count} rows, × the best peer's", figures.own(key) / least, goal / best_peer, least=False)
        add(f"p99/p50, JSON, {count} rows", figures.tail(key), 2.0, least=False)
    add("first reply", figures.start(OURS), 0.65, least=False)
    add("memory", figures.measured.memory[OURS] / figures.measured.memory[BASELINE], 0.9, least=False)
    for model in (logistic, boosting):
        for count in ROWS:
            peers = [key for key in figures.keys(model, count) if key.server != OURS]
            best = max(peers, key=lambda key: statistics.median(figures.ratios(key, fastapi[model, count])))
            what = f"rate, JSON, {count} rows, {model}, × the fastest peer ({best.server} {best.form})"
            add(what, rate(model, "json", count, best), 1.0, least=True)
    return rows
