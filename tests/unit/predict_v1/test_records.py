"""The shortcut for records: it gives what reading value by value gives, and well-formed records take it."""

import gc
import json
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.unit.predict_v1.conftest import (
    BIRD,
    CANCER,
    CANCER_RECORD,
    IDENTITY,
    PENGUINS,
    AddModel,
)

from despliegue.errors import InvalidRequest
from despliegue.features import Schema
from despliegue.models import DATATYPES, Manifest, Model, ModelRepository, Signature, TensorSpec
from despliegue.models.manifest import Feature
from despliegue.protocols.predict_v1 import Decoder, decoder_of

SIGNATURES = [
    [("x", "FP32", (-1, 2))],
    [("x", "FP16", (-1, 2))],
    [("x", "INT8", (-1, 2))],
    [("x", "BYTES", (-1, 2))],
    [("a", "FP32", (-1, 1)), ("b", "BYTES", (-1,))],
    [("a", "UINT64", (-1,)), ("b", "BOOL", (-1,))],
    [("a", "INT64", (-1,)), ("b", "FP64", (-1, 1))],
]
MARKERS = {"f": "NaN", "i": "-1", "u": "0", "O": "", "b": None}


def decoder(inputs: Any, may_miss: bool) -> Decoder:
    specs = {name: TensorSpec(name, DATATYPES[datatype], shape) for name, datatype, shape in inputs}
    kinds = [spec.datatype.kind for spec in specs.values()] * 2
    features = tuple(
        Feature(name, missing=MARKERS[kind] if may_miss else None) for name, kind in zip("ab", kinds, strict=False)
    )
    return Decoder(Schema.read(Signature(specs, {}), Manifest(features=features)))


DECODERS = [decoder(inputs, may_miss) for inputs in SIGNATURES for may_miss in (False, True)]
JSON_VALUES = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.text(max_size=3).map(json.dumps),
    st.sampled_from(
        [
            *("null", "true", "false", "1", "2.5", "-0", "-0.0", "3.0", "1e999", "-1e999", "1e39", "65519.9", "65520"),
            *("3.4028235677973366e38", "127", "128", "1E2", "1e-400", '""', '"a"', '"b:c"', '"\\ud800"', '"\\udc00"'),
            *('"\\ud83d\\ude00"', '"\\u0041\\u003a"', '"ñ"', "[]", "[1]", "{}", "NaN", "01", "1.", "+1", '"'),
        ]
    ),
)
KEYS = st.sampled_from(['"a"', '"a"', '"b"', '"b"', '"\\u0061"', '"c"'])
RECORDS = st.one_of(
    st.tuples(JSON_VALUES, JSON_VALUES).map(lambda pair: f'{{"a": {pair[0]}, "b": {pair[1]}}}'),
    st.tuples(JSON_VALUES, JSON_VALUES).map(lambda pair: f'{{"b":{pair[1]},"a":{pair[0]}}}'),
    st.lists(st.tuples(KEYS, JSON_VALUES), max_size=3).map(
        lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
    ),
)
BODIES = st.tuples(
    st.sampled_from(
        ['{"instances": [', '{"instances":[', '{"signature_name": "s", "instances": [', '{"x": 1, "instances": [']
    ),
    st.lists(RECORDS, max_size=3).map(", ".join),
    st.sampled_from(["]}", "]}", "]}", '], "more": 1}', '], "instances": []}', '], "inputs": 1}', "]", "]} x"]),
).map("".join)


def outcome(way: Callable[[bytes], Any], body: bytes) -> Any:
    try:
        arrays = way(body)
    except InvalidRequest as error:
        return str(error)
    return {name: (array.dtype, array.shape, array.tolist().__repr__()) for name, array in arrays.items()}


@settings(max_examples=500, deadline=None)
@given(BODIES, st.sampled_from(DECODERS))
@example('{"instances": [{"b": 0, "b": 0}]}', DECODERS[1])
@example('{"instances": [{}], "instances": []}', DECODERS[5])
def test_both_ways_agree(text: str, decoder: Decoder) -> None:
    """Whatever the shortcut accepts, reading value by value gives the same arrays."""
    body = text.encode()

    assert outcome(decoder.decode, body) == outcome(decoder.decode_carefully, body)


@pytest.mark.parametrize("model", [CANCER, PENGUINS])
def test_well_formed_records_take_the_shortcut(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test of its own, since the careful way gives the same arrays ten times as slowly."""
    record = CANCER_RECORD if model is CANCER else BIRD
    records = [record] * 3 if model is CANCER else [record, {}, {"island": None, "body_mass_g": 1}]
    monkeypatch.setattr(Decoder, "decode_carefully", None)

    for separators in ((",", ":"), (", ", ": ")):
        arrays = decoder_of(model).decode(json.dumps({"instances": records}, separators=separators).encode())
        assert {len(array) for array in arrays.values()} == {3}


def test_a_decoder_does_not_hold_its_model(add_model: AddModel, repository: ModelRepository) -> None:
    add_model(IDENTITY)
    model = repository.get("m")
    assert decoder_of(model) is decoder_of(model)

    gone = weakref.ref(model)
    repository._loaded.clear()
    del model
    gc.collect()

    assert gone() is None
