"""Columns and records become a model's inputs, missing values their markers, and outputs predictions."""

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from despliegue.errors import InvalidRequest, ModelNotReady, NotSupported
from despliegue.features import Classification, Column, Outputs, RecordType, Regression, Schema, read_predictions
from despliegue.models import DATATYPES, Manifest, Signature, TensorSpec
from despliegue.models.manifest import Feature

NAN = math.nan
ISLAND, MASS = Feature("island", "category", ""), Feature("mass", "number", "NaN")


def schema(*inputs: tuple[Any, ...], features: tuple[Feature, ...] = ()) -> Schema:
    """The schema of inputs given as (name, datatype, shape[, symbols, optional])."""
    specs = [TensorSpec(name, DATATYPES[datatype], *rest) for name, datatype, *rest in inputs]
    return Schema.read(Signature({spec.name: spec for spec in specs}, {}), Manifest(features=features))


def matrix(*features: Feature, datatype: str = "FP32") -> Schema:
    return schema(("x", datatype, (-1, len(features))), features=features)


# What a column takes


@pytest.mark.parametrize(
    ("datatype", "missing", "values", "array"),
    [
        ("FP32", NAN, [1, 2.5, None, msgspec.UNSET], [1, 2.5, NAN, NAN]),
        ("FP64", -1.0, [0.1, None, NAN], [0.1, -1.0, -1.0]),
        ("FP32", None, [math.inf, -math.inf], [math.inf, -math.inf]),
        ("INT8", None, [1, 2.0, -128], [1, 2, -128]),
        ("INT64", -9, [2**63 - 1, None, NAN], [2**63 - 1, -9, -9]),
        ("UINT64", None, [2**64 - 1, 0], [2**64 - 1, 0]),
        ("BOOL", None, [True, False], [True, False]),
        ("BYTES", "", ["a", None, "企鹅", msgspec.UNSET], ["a", "", "企鹅", ""]),
        ("BYTES", "unknown", [None], ["unknown"]),
        ("FP32", None, [], []),
    ],
)
def test_a_column_becomes_an_array_of_its_datatype(datatype: str, missing: Any, values: Any, array: Any) -> None:
    column = Column("c", DATATYPES[datatype], missing)

    for given_values in (values, tuple(values)):
        result = column.array(given_values)
        assert result.dtype == DATATYPES[datatype].dtype
        np.testing.assert_array_equal(result, np.array(array, DATATYPES[datatype].dtype))


@pytest.mark.parametrize(
    ("datatype", "values", "array"),
    [
        ("FP32", np.array([1.5, NAN]), [1.5, NAN]),
        ("FP32", np.array([1, 2], np.int64), [1, 2]),
        ("INT8", np.array([1.0, 2.0]), [1, 2]),
        ("BYTES", np.array(["a", "b"], object), ["a", "b"]),
        ("BYTES", np.array(["a", "b"]), ["a", "b"]),
    ],
)
def test_numpys_arrays_are_columns_too(datatype: str, values: Any, array: Any) -> None:
    result = Column("c", DATATYPES[datatype], NAN if datatype == "FP32" else None).array(values)

    np.testing.assert_array_equal(result, np.array(array, DATATYPES[datatype].dtype))


@pytest.mark.parametrize(
    ("datatype", "missing", "values", "says"),
    [
        ("FP32", None, [1, None], "row 1: feature 'c' is null; expected a number"),
        ("FP32", None, [1, msgspec.UNSET], "row 1: feature 'c' is missing; expected a number"),
        ("FP32", None, np.array([1, NAN]), "row 1: feature 'c' is null; expected a number"),
        ("FP32", NAN, ["1"], "row 0: feature 'c' is '1'; expected a number or null"),
        ("FP32", NAN, [True], "row 0: feature 'c' is true; expected a number or null"),
        ("FP32", NAN, [{}], "is an object; expected a number or null"),
        ("FP32", NAN, [1, [2]], "row 1: feature 'c' is an array; expected a number or null"),
        ("FP32", NAN, np.ones((2, 1)), "row 0: feature 'c' is an array; expected a number or null"),
        ("FP32", NAN, [1, 1e39], "row 1: feature 'c' is 1e+39, which is out of the range of FP32"),
        ("FP32", NAN, np.array([1, 1e39]), "row 1: feature 'c' is 1e+39, which is out of the range of FP32"),
        ("FP64", None, [10**400], "which is out of the range of FP64"),
        ("INT8", None, [1, 128], "row 1: feature 'c' is 128, which is out of the range of INT8"),
        ("INT8", None, [1.0, -129.0], "row 1: feature 'c' is -129.0, which is out of the range of INT8"),
        ("INT64", None, [1.5], "row 0: feature 'c' is 1.5; expected an integer"),
        ("INT64", None, [math.inf], "row 0: feature 'c' is Infinity; expected an integer"),
        ("INT64", None, [None], "row 0: feature 'c' is null; expected an integer"),
        ("INT64", None, np.array([1.0, NAN]), "row 1: feature 'c' is null; expected an integer"),
        ("UINT8", None, [-1], "row 0: feature 'c' is -1, which is out of the range of UINT8"),
        ("BOOL", None, [1], "row 0: feature 'c' is 1; expected true or false"),
        ("BYTES", None, ["a", None], "row 1: feature 'c' is null; expected a string"),
        ("BYTES", "", [5], "row 0: feature 'c' is 5; expected a string or null"),
    ],
)
def test_a_value_that_does_not_fit_is_named(datatype: str, missing: Any, values: Any, says: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Column("c", DATATYPES[datatype], missing).array(values)

    assert says in str(caught.value)
    assert caught.value.subject == "c"


def test_long_values_are_cut_in_messages() -> None:
    with pytest.raises(InvalidRequest) as caught:
        Column("c", DATATYPES["FP32"]).array(["secret" * 1000])

    assert len(str(caught.value)) < 120


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.floats(width=32).map(lambda value: value * (1 + 2**-26)),  # close to the border between two float32
    st.sampled_from(
        [127, 128, 255, 65504.0, 65519.0, 65520.0, 3.4028235e38, 3.40282356e38, 3.4028236e38, 2**63, 2**64]
    ),
    st.text(max_size=3),
    st.just([]),
    st.just(msgspec.UNSET),
)
MARKERS = {"f": NAN, "i": -1, "u": 0, "O": "", "b": None}


@given(st.lists(VALUES, max_size=5), st.sampled_from(sorted(set(DATATYPES) - {"BF16"})), st.booleans())
def test_a_column_is_refused_exactly_where_one_of_its_values_is(values: list[Any], name: str, may_miss: bool) -> None:
    column = Column("c", DATATYPES[name], MARKERS[DATATYPES[name].kind] if may_miss else None)
    wrong = [row for row, value in enumerate(values) if column.problem(value)]

    if not wrong:
        assert column.array(values).shape == (len(values),)
    else:
        with pytest.raises(InvalidRequest, match=f"row {wrong[0]}: feature 'c'"):
            column.array(values)


# Columns become inputs


def test_a_matrix_takes_the_manifests_features() -> None:
    arrays = matrix(Feature("a"), Feature("b", "number", "NaN")).arrays_from_columns({"b": [1, None], "a": [3, 4]})

    assert list(arrays) == ["x"]
    assert arrays["x"].dtype == np.float32
    np.testing.assert_array_equal(arrays["x"], [[3, 1], [4, NAN]])


def test_a_matrix_of_strings_has_its_markers() -> None:
    arrays = matrix(Feature("a"), Feature("b", "category", "?"), datatype="BYTES").arrays_from_columns(
        {"a": ["u", "v"]}
    )

    assert arrays["x"].tolist() == [["u", "?"], ["v", "?"]]


def test_inputs_are_columns_of_the_rank_that_the_graph_gives_them() -> None:
    columns = schema(("island", "BYTES", (-1, 1)), ("mass", "FP32", (-1,)), features=(ISLAND, MASS))

    arrays = columns.arrays_from_columns({"island": ["Dream", None]})

    assert columns.names == ("island", "mass")
    assert arrays["island"].tolist() == [["Dream"], [""]]
    np.testing.assert_array_equal(arrays["mass"], [NAN, NAN])


def test_without_a_manifest_floats_may_be_missing_and_nothing_else() -> None:
    bare = schema(("mass", "FP64", (-1,)), ("year", "INT64", (-1,)), ("island", "BYTES", (-1,)))

    assert [column.missing is not None for column in bare.columns.values()] == [True, False, False]
    with pytest.raises(InvalidRequest, match="missing feature 'year', 'island'; came 'mass'"):
        bare.arrays_from_columns({"mass": [1.0]})


def test_a_column_that_the_graph_can_initialise_may_be_left_out_as_a_whole() -> None:
    optional = schema(("a", "FP32", (-1,)), ("b", "INT64", (-1,), (), True))

    assert list(optional.arrays_from_columns({"a": [1]})) == ["a"]
    assert list(optional.arrays_from_columns({"a": [1], "b": [msgspec.UNSET]})) == ["a"]
    assert optional.arrays_from_columns({"a": [1], "b": [2]})["b"].tolist() == [2]
    with pytest.raises(InvalidRequest, match="row 1: feature 'b' is missing; expected an integer"):
        optional.arrays_from_columns({"a": [1, 2], "b": [2, msgspec.UNSET]})


def test_one_column_that_the_manifest_renames_is_a_matrix() -> None:
    renamed = schema(("float_input", "FP32", (-1, 1)), features=(Feature("age"),))

    assert renamed.arrays_from_columns({"age": [1, 2]})["float_input"].tolist() == [[1], [2]]


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({}, "missing feature 'a', 'b'; came none"),
        ({"a": [1]}, "missing feature 'b'; came 'a'"),
        ({"a": [1], "b": [2], "c": [3]}, "unknown feature 'c'; expected 'a', 'b'"),
        ({"a": [1], "b": [2, 3]}, "feature 'b' has 2 rows, but 'a' has 1"),
        ({"a": [1, 2], "b": ["x", 3]}, "row 0: feature 'b' is 'x'; expected a number"),
    ],
)
def test_columns_that_do_not_fit_are_refused(columns: Any, says: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        matrix(Feature("a"), Feature("b")).arrays_from_columns(columns)

    assert says in str(caught.value)


def test_only_ten_names_are_listed() -> None:
    many = matrix(*(Feature(f"f{number}") for number in range(1000)))

    with pytest.raises(InvalidRequest, match=r"'f9' and 990 more; came none$"):
        many.arrays_from_columns({})


@pytest.mark.parametrize(
    "inputs",
    [
        [("image", "FP32", (-1, 3, 8, 8))],
        [("a", "FP32", (-1,)), ("b", "FP32", (-1, 4))],
        [("x", "BF16", (-1, 2))],
        [("x", "FP32", ())],
        [("x", "FP32", (-1, 4))],
        [],
    ],
)
def test_inputs_that_are_no_named_columns_have_none(inputs: Any) -> None:
    assert schema(*inputs).columns == {}


@pytest.mark.parametrize(
    ("features", "says"),
    [
        ((Feature("a"),), "names 1 features, but input 'x' takes 2"),
        ((Feature("a"), Feature("a")), "names a feature twice"),
        ((Feature("a"), Feature("b", missing="none")), "the missing marker of feature 'b' is 'none', which is no FP32"),
        ((Feature("a"), Feature("b", missing="1e39")), "the missing marker of feature 'b' is 1e+39, which is out of"),
        ((Feature("a"), Feature("b", choices=("c",))), "feature 'b' has choices, but takes FP32; expected texts"),
    ],
)
def test_a_manifest_that_does_not_fit_is_our_fault(features: tuple[Feature, ...], says: str) -> None:
    with pytest.raises(ModelNotReady) as caught:
        schema(("x", "FP32", (-1, 2)), features=features)

    assert says in str(caught.value)


def test_a_range_of_what_is_no_number_is_our_fault() -> None:
    with pytest.raises(ModelNotReady, match="feature 'a' has a usual range, but takes BYTES, no numbers"):
        schema(("a", "BYTES", (-1, 1)), features=(Feature("a", usual=(1, 2)),))


# Records


def arrays_of(schema: Schema, text: str) -> Any:
    records = RecordType.of(schema)
    assert records is not None
    return records.arrays(msgspec.json.decode(text, type=list[records.type]))[0]  # type: ignore[name-defined]


def test_records_become_a_matrix_in_the_order_of_the_features() -> None:
    arrays = arrays_of(matrix(Feature("b b"), Feature("ñ")), '[{"ñ": 1, "b b": 2.5}, {"b b": 3, "ñ": 4}]')

    assert arrays["x"].dtype == np.float32
    assert arrays["x"].tolist() == [[2.5, 1], [3, 4]]


def test_records_become_columns_with_their_markers() -> None:
    columns = schema(("island", "BYTES", (-1, 1)), ("mass", "FP32", (-1, 1)), features=(ISLAND, MASS))

    arrays = arrays_of(columns, '[{"island": "Dream"}, {"mass": 4.5, "island": null}]')

    assert arrays["island"].tolist() == [["Dream"], [""]]
    np.testing.assert_array_equal(arrays["mass"], [[NAN], [4.5]])


@pytest.mark.parametrize("text", ['[{"a": 1}]', '[{"a": 1, "b": null}]', '[{"a": 1, "b": 2, "c": 3}]', '[{"b": "1"}]'])
def test_a_record_type_refuses_what_does_not_fit(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        arrays_of(matrix(Feature("a"), Feature("b")), text)


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb"])
def test_there_is_no_record_type_for_names_that_msgspec_does_not_take(name: str) -> None:
    assert RecordType.of(matrix(Feature("a"), Feature(name))) is None


def test_records_do_not_overflow_in_silence() -> None:
    with pytest.raises(InvalidRequest, match="row 1: feature 'b' is 1e\\+39, which is out of the range of FP32"):
        arrays_of(matrix(Feature("a"), Feature("b")), '[{"a": 1, "b": 2}, {"a": 1, "b": 1e39}]')


# Predictions

LABEL, PROBABILITIES = np.array(["u", "v"], object), np.array([[0.75, 0.25], [0.5, 0.5]], np.float32)


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_one_float_a_row_is_a_regression(shape: tuple[int, ...]) -> None:
    predictions = read_predictions({"y": np.array([1.5, 2.5]).reshape(shape)}, 2)

    assert isinstance(predictions, Regression)
    assert predictions.values.tolist() == [1.5, 2.5]


@pytest.mark.parametrize(
    ("names", "keys", "classes"),
    [
        (("u", "v"), {}, ("u", "v")),
        ((), {"p": ("u", "v")}, ("u", "v")),
        ((), {"p": (0, 1)}, ("0", "1")),
        (("v", "u"), {"p": ("u", "v")}, ("u", "v")),
        (("no", "yes"), {"p": (0, 1)}, ("no", "yes")),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_a_label_and_probabilities_with_names_are_a_classification(
    names: Any, keys: Any, classes: Any, turned: bool
) -> None:
    outputs = {"label": LABEL, "p": PROBABILITIES}

    predictions = read_predictions(dict(reversed(outputs.items())) if turned else outputs, 2, names, keys)

    assert isinstance(predictions, Classification)
    assert predictions.classes == classes
    assert predictions.labels.tolist() == ["u", "v"]


@pytest.mark.parametrize(
    "outputs",
    [
        {"label": LABEL},
        {"label": LABEL, "p": PROBABILITIES, "more": LABEL},
        {"label": LABEL, "p": np.ones((2, 3))},
        {"p": PROBABILITIES},
        {"label": np.ones((2, 2), np.int64), "p": PROBABILITIES},
        {"count": np.array([1, 2])},
    ],
)
def test_other_outputs_are_left_as_they_are(outputs: Any) -> None:
    assert isinstance(read_predictions(outputs, 2, ("u", "v")), Outputs)


@pytest.mark.parametrize("array", [np.array(1.5), np.ones(3), np.ones((1, 2))])
def test_an_output_without_a_value_for_each_row_is_not_supported(array: Any) -> None:
    with pytest.raises(NotSupported, match=r"output 'y' has shape .*, not a value for each of 2 rows"):
        read_predictions({"y": array}, 2)
