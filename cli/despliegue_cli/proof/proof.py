"""Whether a package predicts what its original does, row by row, and the same in batches of any size."""

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np

from despliegue.errors import DespliegueError
from despliegue.features.schema import listed
from despliegue.models import Model
from despliegue.models.manifest import Verification
from despliegue.models.model import Array
from despliegue_cli.convert import Reference
from despliegue_cli.proof.compared import Comparison, Outputs, classes_of, compare, scales_of
from despliegue_cli.proof.package_runs import decoded, run_all, run_in_batches
from despliegue_cli.proof.rows import Rows

RELATIVE: Final = 1e-5
"""How far numbers may be apart, relative to a usual one of their column. XGBoost and float32 graphs need it; trees and
linear models are a million times closer."""
_STEPS: Final = {"FP16": 2.0**-10, "BF16": 2.0**-7}
"""Between two numbers near 1: an output of such a datatype is allowed two of its own steps."""
_IN_BATCHES: Final = 64
"""So many rows of the sample, and made-up ones, are predicted in batches of one and two as well."""
_BATCHES: Final = {1: ", alone", 2: ", in a batch of 2"}
_SHOWN: Final = 5
_WORDS: Final = 200


class WorstRow(msgspec.Struct, frozen=True):
    """A row that differs.

    Attributes:
        place: which it is, such as `row 17`, `city unseen`, or `row 17, in a batch of 2`.
        output: which of its values differs most, such as `probabilities[1]`.
        expected: what the original predicts.
        came: what the package predicts, or why it does not.
    """

    place: str
    output: str
    expected: str
    came: str


class Proof(msgspec.Struct, frozen=True):
    """What a comparison found.

    Attributes:
        rows: of the sample, that the original predicts.
        made_up: further rows, that the original predicts.
        labels: of how many rows the labels or integers differ, but for ties.
        difference: the largest, of numbers: relative to a usual one of their column, see `compared.scales_of`. Infinite
            where only one is a number, or the package refuses.
        worst: rows that differ, the worst first; at most five.
        tolerance: how large `difference` may be.
        different: how many rows differ by more than allowed, or are refused by the package.
        refused: how many rows of the sample the original refuses; they prove nothing.
        refusal: the original's words on the first row that it refuses, of the sample or made up.
        skipped: rows of the sample that do not fit the features; they prove nothing.
    """

    rows: int
    made_up: int = 0
    labels: int = 0
    difference: float = 0.0
    worst: tuple[WorstRow, ...] = ()
    tolerance: float = RELATIVE
    different: int = 0
    refused: int = 0
    refusal: str = ""
    skipped: int = 0

    def check(self, accept: bool = False) -> None:
        """Make sure that the package is right.

        Args:
            accept: take it however it differs.

        Raises:
            DespliegueError: it differs from its original.
        """
        if self.different and not accept:
            raise DespliegueError(
                f"the package differs from its original on {self.summary()}\nIf that is good enough for you,"
                " --accept-difference takes it as it is"
            )

    def summary(self) -> str:
        """On how many rows it differs, and by how much, in a line; then the worst rows, in a line each."""
        lines = "".join(f"\n  {row.place}: {row.output} expected {row.expected}, came {row.came}" for row in self.worst)
        return (
            f"{self.rows:,} rows of the sample and {self.made_up:,} made-up ones: {self.different:,} of them differ,"
            f" {self.labels:,} in labels, and numbers by up to {self.difference:.1e} of what is usual"
            f" (allowed: {self.tolerance:.0e}){lines and ':'}{lines}"
        )

    def verification(self, accepted: bool) -> Verification:
        """This for the manifest.

        Args:
            accepted: whether a person takes the package however it differs.
        """
        return Verification(
            self.rows,
            self.made_up,
            self.labels,
            min(self.difference, sys.float_info.max),  # JSON has no infinity
            self.tolerance,
            accepted and self.different > 0,
            self.skipped,
            self.refused,
        )


def prove(model: Model, rows: Rows, reference: Reference, *, in_batches: bool = True) -> Proof:
    """Compare a package with its original on all rows at once, and with itself in batches of one and two.

    Args:
        model: the package, loaded as it is served.
        rows: of a sample, made-up ones, or both.
        reference: what the original predicts of them.
        in_batches: whether with itself too; not where somebody has accepted that it differs.

    Raises:
        DespliegueError: fewer than half of the sample's rows can be compared; or the package lacks an output, gives
            another shape, or fails on batches of some size.
    """
    refused = int((~rows.made_up & ~reference.accepted).sum())
    asked = rows.pick(reference.accepted)
    _check_enough(int((~asked.made_up).sum()), rows.skipped, rows.reason, refused, reference.refusal)
    outputs, refusals = run_all(model, asked)
    taken = np.array([at for at in range(len(asked)) if at not in refusals])
    expected, outputs = _alike(
        {name: decoded(model, name, array)[taken] for name, array in reference.outputs.items()}, outputs
    )
    scales = scales_of(expected, asked.made_up[taken])
    classes = classes_of(expected, model.manifest.labels)
    parts = [_Part(compare(expected, outputs, scales, classes), taken, "")]
    few = _few(asked.made_up[taken])
    own, own_scales = _picked(outputs, few), _picked(scales, few)
    for size, words in _BATCHES.items() if in_batches else ():
        _, came = _alike(own, run_in_batches(model, asked.pick(taken[few]), size))
        parts.append(_Part(compare(own, came, own_scales, classes), taken[few], words))
    return _proof(asked, parts, refusals, tolerance(model), refused, reference.refusal)


class _Part(NamedTuple):
    """A comparison, the numbers of its rows among all, and words on how they were predicted."""

    comparison: Comparison
    rows: Array
    words: str


def _proof(
    asked: Rows, parts: Sequence[_Part], refusals: Mapping[int, str], tolerance: float, refused: int, refusal: str
) -> Proof:
    different, labels = set(refusals), set[int]()
    worst = [
        (0, 0.0, at, WorstRow(asked.places[at], "predictions", "some", text[:_WORDS])) for at, text in refusals.items()
    ]
    for comparison, rows, words in parts:
        differs = comparison.labels | (comparison.differences > tolerance)
        different.update(rows[differs].tolist())
        labels.update(rows[comparison.labels].tolist())
        order = np.lexsort((-comparison.differences, ~comparison.labels, ~differs))
        for at in order[: min(_SHOWN, int(differs.sum()))].tolist():
            row = WorstRow(asked.places[rows[at]] + words, *comparison.describe(at))
            worst.append((1 if comparison.labels[at] else 2, -float(comparison.differences[at]), int(rows[at]), row))
    # Each row once, where it is worst.
    shown: dict[int, WorstRow] = {}
    for _, _, at, row in sorted(worst, key=lambda each: each[:2]):
        shown.setdefault(at, row)
    difference = max(float(part.comparison.differences.max(initial=0)) for part in parts)
    return Proof(
        int((~asked.made_up).sum()),
        int(asked.made_up.sum()),
        len(labels),
        math.inf if refusals else difference,
        tuple(shown.values())[:_SHOWN],
        tolerance,
        len(different),
        refused,
        refusal,
        asked.skipped,
    )


def _check_enough(compared: int, skipped: int, reason: str, refused: int, refusal: str) -> None:
    if compared >= skipped + refused:
        return
    problems = [f"{skipped:,} do not fit its features ({reason})"] if skipped else []
    problems += [f"the original refuses {refused:,}, alone or beside others ({refusal})"] if refused else []
    raise DespliegueError(
        f"only {compared:,} of {compared + skipped + refused:,} rows of the sample can be compared, which is too few:"
        f" {', and '.join(problems)}; expected half of them at least. Give a sample of rows that the model takes"
    )


def tolerance(model: Model) -> float:
    """How far the package's numbers may be from its original's."""
    return max(RELATIVE, *(2 * _STEPS.get(each.datatype.name, 0.0) for each in model.signature.outputs.values()))


def _few(made_up: Array) -> Array:
    """Rows for the small batches: the first of the sample, and made-up ones from all over."""
    ours, others = np.flatnonzero(~made_up)[:_IN_BATCHES], np.flatnonzero(made_up)
    return np.concatenate([ours, others[:: -(-len(others) // _IN_BATCHES) or 1]])


def _picked(outputs: Outputs, rows: Array) -> Outputs:
    return {name: array[rows] for name, array in outputs.items()}


def _alike(expected: Outputs, came: Outputs) -> tuple[Outputs, Outputs]:
    """Both, as floats where one of them is.

    Raises:
        DespliegueError: an output is not there, or of another shape or kind.
    """
    floats: tuple[Outputs, Outputs] = ({}, {})
    for name, values in expected.items():
        if name not in came:
            raise DespliegueError(f"the package has no output '{name}'; its outputs are {listed(came)}")
        other = came[name]
        if other.shape != values.shape:
            raise DespliegueError(
                f"the package gives output '{name}' as {list(other.shape)}; expected {list(values.shape)}, as the"
                " original does"
            )
        if (other.dtype.kind == "O") != (values.dtype.kind == "O"):
            raise DespliegueError(
                f"the package gives output '{name}' as {other.dtype}; expected {values.dtype}, as the original does"
            )
        is_float = "f" in (values.dtype.kind, other.dtype.kind)
        for found, array in zip(floats, (values, other), strict=True):
            found[name] = array.astype(np.float64) if is_float else array
    return floats
