"""What improving a package found: the steps, the figures before and after, and what quantising cost."""

import msgspec


class Step(msgspec.Struct, frozen=True):
    """One step.

    Attributes:
        name: what was tried.
        kept: whether it is in the package now.
        why: what it gained, or why it was left out.
    """

    name: str
    kept: bool
    why: str


class Measurement(msgspec.Struct, frozen=True):
    """What a package costs; medians over fresh processes, None where it was not measured.

    Attributes:
        size: of the graph and its weights, bytes.
        load_ms: to load it for the first time in a process, milliseconds.
        row_us: to predict one row, microseconds.
        batch_us: to predict `batch_rows` rows at once, microseconds.
        batch_rows: how many those are.
        memory_mb: what loading it and predicting one row takes at most, MB of the process's own, which mapped files
            are not; None also where the system does not tell.
    """

    size: int
    load_ms: float | None = None
    row_us: float | None = None
    batch_us: float | None = None
    batch_rows: int = 0
    memory_mb: float | None = None


class OutputChange(msgspec.Struct, frozen=True):
    """How far one output is from what it was.

    Attributes:
        output: its name.
        largest: the largest difference between numbers; 0 where it holds labels.
        mean: the mean difference between numbers; 0 where it holds labels.
        changed: the share of labels that differ, 0 to 1; None where it holds numbers.
    """

    output: str
    largest: float = 0.0
    mean: float = 0.0
    changed: float | None = None


class Accuracy(msgspec.Struct, frozen=True):
    """What quantising changed.

    Attributes:
        rows: how many: those of the sample, where there is one.
        outputs: an entry each.
    """

    rows: int
    outputs: tuple[OutputChange, ...]


class Improvements(msgspec.Struct, frozen=True):
    """What was done to a package.

    Attributes:
        steps: all that were tried, in order.
        before: the package as it was converted.
        after: the package as it is now.
        quantized: `int8`, `fp16`, or empty.
        accuracy: what quantising changed; None where the outputs are the same to the last bit.
    """

    steps: tuple[Step, ...]
    before: Measurement
    after: Measurement
    quantized: str = ""
    accuracy: Accuracy | None = None
