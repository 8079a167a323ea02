"""From samples to the tables: medians over rounds, ratios taken within a round."""

import statistics
from collections.abc import Callable, Sequence

from benchmarks import report
from benchmarks.emulator.contenders import BASELINE, BODIES, CONTENDERS, FLOOR, OURS, ROWS, Contender
from benchmarks.emulator.measure import Key, Measured, Sample, Start

OWN_US = {1: (100.0, 99.0), 32: (180.0, 294.0), 1024: (1400.0, 3937.0)}
"""By the number of rows the most that ours may cost, and what the naive handler cost on the machine it was set on."""
FIRST_REPLY = 0.65
_MEASURED = [contender for contender in CONTENDERS if contender.predicts]


def _key(contender: Contender, model: str, rows: int, body: str) -> Key:
    return Key(contender.name, model, contender.forms[0], rows, body)


class Figures:
    """What a run says of each handler. µs are for orientation."""

    def __init__(self, measured: Measured) -> None:
        self.measured = measured
        self._samples = measured.samples
        self._contenders = {contender.name: contender for contender in CONTENDERS}

    def key(self, name: str, model: str, rows: int, body: str) -> Key:
        """What a contender's samples are found by."""
        return _key(self._contenders[name], model, rows, body)

    def p50(self, key: Key) -> float:
        """µs of one invoke at a time: the median of the rounds' medians."""
        return statistics.median(sample.p50 for sample in self._samples[key])

    def ratios(self, key: Key, base: Key) -> list[float]:
        """p50 as a multiple of the base's, round by round."""
        pairs = zip(self._samples[key], self._samples[base], strict=True)
        return [mine.p50 / other.p50 for mine, other in pairs]

    def own(self, key: Key) -> float:
        """p50 less the empty handler's on the same event in the same round, less session.run, µs."""
        return self._less_floor(key, lambda sample: sample.p50)

    def own_processor(self, key: Key) -> float:
        """The same of the Python process's processor time: what other processes disturb least."""
        return self._less_floor(key, lambda sample: sample.processor)

    def _less_floor(self, key: Key, value: Callable[[Sample], float]) -> float:
        floor = self._samples[key._replace(contender=FLOOR, model="")]
        differences = [value(mine) - value(empty) for mine, empty in zip(self._samples[key], floor, strict=True)]
        return statistics.median(differences) - self.alone(key.model, key.rows)

    def alone(self, model: str, rows: int) -> float:
        """µs of session.run."""
        return statistics.median(self.measured.alone[model, rows])

    def first_replies(self, name: str, value: Callable[[Start], float]) -> list[float]:
        """First replies as multiples of the naive handler's, round by round."""
        starts = self.measured.starts
        return [value(mine) / value(base) for mine, base in zip(starts[name], starts[BASELINE], strict=True)]


def table(figures: Figures, models: Sequence[str]) -> list[report.Row]:
    """A row for each handler, model, number of rows and form of body, after what the limits are."""
    rows: list[report.Row] = []
    for model in models:
        for count in ROWS:
            for body in BODIES:
                labels: report.Row = {"model": model, "rows": count, "body": body}
                rows.append(labels | {"handler": "session.run alone", "p50 µs": figures.alone(model, count)})
                for form in ("v2", "instances"):
                    key = Key(FLOOR, "", form, count, body)
                    rows.append(labels | {"handler": f"empty, {form}", "p50 µs": figures.p50(key)})
                base = figures.key(BASELINE, model, count, body)
                keys = [_key(contender, model, count, body) for contender in _MEASURED]
                rows += [labels | _row(figures, key, base) for key in keys]
    return rows


def _row(figures: Figures, key: Key, base: Key) -> report.Row:
    middle, quartiles = _spread(figures.ratios(key, base))
    own, processor = figures.own(key), figures.own_processor(key)
    return {
        "handler": key.contender,
        "p50 ×": middle,
        "quartiles": quartiles,
        "p50 µs": figures.p50(key),
        "own cost µs": own,
        "own cost ×": own / figures.own(base),
        "own CPU µs": processor,
        "own CPU ×": processor / figures.own_processor(base),
    }


def functions(figures: Figures) -> list[report.Row]:
    """A row for each handler: first reply and memory."""
    rows: list[report.Row] = []
    for name, starts in figures.measured.starts.items():
        warm, warm_quartiles = _spread(figures.first_replies(name, lambda start: start.warm))
        cold, cold_quartiles = _spread(figures.first_replies(name, lambda start: start.cold))
        row: report.Row = {
            "handler": name,
            "first reply ×": warm,
            "quartiles": warm_quartiles,
            "ms": statistics.median(start.warm for start in starts) * 1000,
            "from disk ×": cold,
            "quartiles, disk": cold_quartiles,
            "ms, disk": statistics.median(start.cold for start in starts) * 1000,
            "cached before MB": statistics.median(start.cached_before for start in starts) / 1e6,
            "dropped to MB": max(start.cached_dropped for start in starts) / 1e6,
            "read MB": statistics.median(start.cached_after for start in starts) / 1e6,
        }
        for (contender, model), memory in figures.measured.memory.items():
            if contender == name:
                row[f"memory MB, {model}" if model else "memory MB"] = memory
        rows.append(row)
    return sorted(rows, key=lambda row: float(row["first reply ×"] or 0))


def targets(figures: Figures, models: Sequence[str]) -> list[report.Row]:
    """The targets, and whether they are met. Own cost is of base64 bodies with the first model, logs and metrics on."""
    rows: list[report.Row] = []

    def add(what: str, value: float, goal: float) -> None:
        rows.append(report.target(what, value, goal))

    for count, (goal, naive) in OWN_US.items():
        own, base = (figures.own(figures.key(name, models[0], count, "base64")) for name in (OURS, BASELINE))
        add(f"own cost µs, {count} rows", own, goal)
        add(f"own cost, {count} rows, × naive's", own / base, goal / naive)
    warm = statistics.median(figures.first_replies(OURS, lambda start: start.warm))
    cold = statistics.median(figures.first_replies(OURS, lambda start: start.cold))
    add("first reply, × naive", warm, FIRST_REPLY)
    add("first reply from disk, × naive", cold, FIRST_REPLY)
    for model in models:
        for count in ROWS:
            for body in BODIES:
                ours = figures.key(OURS, model, count, body)
                peers = [_key(peer, model, count, body) for peer in _MEASURED if peer.name != OURS]
                best = min(peers, key=figures.p50)
                ratio = statistics.median(figures.ratios(ours, best))
                add(f"p50, {count} rows, {model}, {body}, × the fastest peer ({best.contender})", ratio, 1.0)
    return rows


def _spread(ratios: Sequence[float]) -> tuple[float, str]:
    """The median and the quartiles."""
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else list(ratios) * 3
    return middle, f"{low:.2f}–{high:.2f}"
