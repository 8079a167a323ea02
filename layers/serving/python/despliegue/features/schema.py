"""Which columns a model takes, and columns → its inputs. Read off its signature and what its manifest says of it."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Self

import msgspec
import numpy as np

from despliegue.errors import InvalidRequest, ModelNotReady, shorten
from despliegue.features.column import Column, Values
from despliegue.models import Datatype, Manifest, Signature, TensorSpec
from despliegue.models.manifest import Feature
from despliegue.models.model import Array

_LISTED: Final = 10
"""Most names that a message lists."""


class Schema(msgspec.Struct, frozen=True):
    """The columns of a model.

    Attributes:
        columns: the features by name, in order; empty where the inputs are no columns (images, say) or have no names.
        inputs: the model's inputs.
        single: the only input that a request must give; None where there are several.
        matrix: that input, where it takes all columns side by side, [N, K]; None where each column is an input.
    """

    columns: dict[str, Column]
    inputs: dict[str, TensorSpec]
    single: TensorSpec | None
    matrix: TensorSpec | None

    @classmethod
    def read(cls, signature: Signature, manifest: Manifest) -> Self:
        """The schema of a model: a matrix with the manifest's names, or columns that are inputs, [N] or [N, 1].

        Raises:
            ModelNotReady: the manifest's features do not fit the inputs.
        """
        inputs, features = signature.inputs, manifest.features
        names = signature.required or tuple(inputs)
        single = inputs[names[0]] if len(names) == 1 else None
        if signature.media_types:
            return cls({}, inputs, single, None)  # bytes are no column, although the graph takes any number of them
        if len({feature.name for feature in features}) < len(features):
            raise ModelNotReady("manifest.json names a feature twice")
        if single is not None and _is_matrix(single, features):
            return cls(_matrix_columns(single, features), inputs, single, single)
        columns = {name: spec for name, spec in inputs.items() if _is_column(spec)}
        if not columns or not set(signature.required) <= set(columns):
            return cls({}, inputs, single, None)
        known = {feature.name: feature for feature in features}
        return cls(
            {
                name: _column(known.get(name), name, spec.datatype, bare=not features, optional=spec.optional)
                for name, spec in columns.items()
            },
            inputs,
            single,
            None,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the features, in order."""
        return tuple(self.columns)

    def arrays_from_columns(self, columns: Mapping[str, Values]) -> dict[str, Array]:
        """The model's inputs, from a column for each feature.

        Args:
            columns: values [N] by feature; lists or numpy's. A column may be left out where its values may be
                missing or the graph has an initialiser for it.

        Returns:
            An array for each input: [N, K] for a matrix, else [N] or [N, 1] as the graph has it.

        Raises:
            InvalidRequest: a feature is unknown or missing, lengths differ, or a value does not fit.
        """
        if unknown := [name for name in columns if name not in self.columns]:
            raise InvalidRequest(self.unknown(unknown[0]))
        rows = self._rows(columns)
        arrays = {}
        for name, column in self.columns.items():
            values = columns.get(name, ())
            absent = name not in columns or (column.optional and rows > 0 and _all_unset(values))
            if not (absent and column.optional):
                arrays[name] = column.array([msgspec.UNSET] * rows if absent else values)
        if self.matrix is None:
            return {
                name: array.reshape(rows, *(1,) * (len(self.inputs[name].shape) - 1)) for name, array in arrays.items()
            }
        matrix = np.empty((rows, len(arrays)), self.matrix.datatype.dtype)
        for position, array in enumerate(arrays.values()):
            matrix[:, position] = array
        return {self.matrix.name: matrix}

    def arrays_from_floats(self, columns: Sequence[Array], rows: int) -> dict[str, Array] | None:
        """The model's inputs, from columns of floats; the same as from any columns, only faster.

        Args:
            columns: an array [N] of floats for each feature, in order, NaN where a value is missing.
            rows: N.

        Returns:
            None where there is no fast way: the model takes no matrix of floats, or a value may not fit.
        """
        if self.matrix is None or self.matrix.datatype.kind != "f":
            return None
        matrix = np.empty((rows, len(columns)), self.matrix.datatype.dtype)
        try:
            with np.errstate(over="raise"):
                for position, values in enumerate(columns):
                    matrix[:, position] = values
        except FloatingPointError:
            return None
        nan_is_missing = all(column.missing != column.missing for column in self.columns.values())
        return {self.matrix.name: matrix} if nan_is_missing or not np.isnan(matrix).any() else None

    def arrays_from_matrix(self, matrix: Array, names: tuple[str, ...]) -> dict[str, Array]:
        """The model's inputs, from floats that lie side by side; the same as from their columns, only faster.

        Args:
            matrix: float64 [N, K], NaN where a value is missing.
            names: K features; all of them in order is the fast way.

        Raises:
            InvalidRequest: as `arrays_from_columns`.
        """
        if self.matrix is not None and self.matrix.datatype.kind == "f" and names == self.names:
            gaps = bool(np.isnan(matrix).any())
            if not gaps or all(column.missing != column.missing for column in self.columns.values()):
                try:
                    with np.errstate(over="raise"):
                        return {self.matrix.name: matrix.astype(self.matrix.datatype.dtype)}
                except FloatingPointError:
                    pass  # the columns find out which value it is
        return self.arrays_from_columns(dict(zip(names, matrix.T, strict=True)))

    def positional(self, names: Sequence[str]) -> Self:
        """This schema with names for the columns of a matrix that has none, for rows that are columns by position.

        Raises:
            InvalidRequest: the model takes no matrix, or one of another width.
        """
        spec = self.single
        if self.columns or spec is None or len(spec.shape) != 2 or not spec.datatype.in_json:
            raise InvalidRequest(
                f"the model's inputs are no columns ({listed(self.inputs)}); the Open Inference Protocol serves it"
            )
        if spec.shape[1] not in (-1, len(names)):
            raise InvalidRequest(f"there are {len(names):,} columns; expected {spec.shape[1]:,}, as the model takes")
        columns = {name: Column(name, spec.datatype, math.nan if spec.datatype.kind == "f" else None) for name in names}
        if len(columns) < len(names):
            raise InvalidRequest(f"the columns' names are not all different: {listed(names)}")
        return type(self)(columns, self.inputs, spec, spec)

    def unknown(self, name: str) -> str:
        """The message for a name that is no feature."""
        kind = "feature" if self.columns else "input"
        return f"unknown {kind} {shorten(name)}; expected {listed(self.columns or self.inputs) or 'none'}"

    def _rows(self, columns: Mapping[str, Values]) -> int:
        """The length that all columns have."""
        missing = [
            name
            for name, column in self.columns.items()
            if name not in columns and column.missing is None and not column.optional
        ]
        if missing or not columns:
            names = missing or self.columns
            raise InvalidRequest(f"missing feature {listed(names)}; came {listed(columns) or 'none'}")
        first, values = next(iter(columns.items()))
        for name, others in columns.items():
            if len(others) != len(values):
                raise InvalidRequest(
                    f"feature '{name}' has {len(others):,} rows, but '{first}' has {len(values):,}", subject=name
                )
        return len(values)


def listed(names: Iterable[str]) -> str:
    """Names in quotes, the first ten of them."""
    found = list(names)
    text = ", ".join(f"'{name}'" for name in found[:_LISTED])
    return f"{text} and {len(found) - _LISTED:,} more" if len(found) > _LISTED else text


def repeated(names: Sequence[str]) -> str | None:
    """A name that is there more than once; None where all differ."""
    if len(set(names)) == len(names):
        return None
    return Counter(names).most_common(1)[0][0]


def _all_unset(values: Values) -> bool:
    return all(value is msgspec.UNSET for value in values)


def _is_column(spec: TensorSpec) -> bool:
    return spec.datatype.in_json and spec.shape[1:] in ((), (1,)) and len(spec.shape) > 0


def _is_matrix(spec: TensorSpec, features: tuple[Feature, ...]) -> bool:
    """Whether the only input takes columns side by side; one column that the manifest renames is a matrix too."""
    renamed = len(features) == 1 and features[0].name != spec.name
    return len(spec.shape) == 2 and (spec.shape[1] != 1 or renamed)


def _matrix_columns(spec: TensorSpec, features: tuple[Feature, ...]) -> dict[str, Column]:
    if features and spec.shape[1] not in (-1, len(features)):
        raise ModelNotReady(
            f"manifest.json names {len(features):,} features, but input '{spec.name}' takes {spec.shape[1]:,}"
        )
    if not spec.datatype.in_json:
        return {}
    return {feature.name: _column(feature, feature.name, spec.datatype) for feature in features}


def _column(
    feature: Feature | None, name: str, datatype: Datatype, *, bare: bool = False, optional: bool = False
) -> Column:
    missing: Any = float("nan") if bare and datatype.kind == "f" else None
    if feature is not None and feature.usual and datatype.kind not in "fiu":
        raise ModelNotReady(f"manifest.json: feature '{name}' has a usual range, but takes {datatype.name}, no numbers")
    if feature is not None and feature.choices and datatype.kind != "O":
        raise ModelNotReady(f"manifest.json: feature '{name}' has choices, but takes {datatype.name}; expected texts")
    if feature is not None and feature.missing is not None:
        missing = _marker(feature.missing, datatype, name)
    return Column(name, datatype, missing, optional)


def _marker(text: str, datatype: Datatype, name: str) -> Any:
    try:
        marker: Any = {"O": str, "f": float, "i": int, "u": int}[datatype.kind](text)
    except (KeyError, ValueError):
        raise ModelNotReady(
            f"manifest.json: the missing marker of feature '{name}' is {shorten(text)}, which is no {datatype.name}"
        ) from None
    if problem := Column(name, datatype, float("nan")).problem(marker):
        raise ModelNotReady(f"manifest.json: the missing marker of feature '{name}' {problem}")
    return marker
