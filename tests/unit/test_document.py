"""JSON is read strictly, and refused with words that help."""

import pytest

from despliegue.errors import InvalidRequest
from despliegue.protocols.document import parse_object, plain


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "the body is empty; expected a JSON object"),
        (b"   ", "not valid JSON: Expecting value at line 1 column 4"),
        (b'{"a": ', "not valid JSON: Expecting value at line 1 column 7"),
        (b'{"a": 1}x', "not valid JSON: Extra data at line 1 column 9"),
        (b"{'a': 1}", "not valid JSON: Expecting property name"),
        (b'{"a": "\xff"}', "not UTF-8: byte 0xff at position 7"),
        (b'{"a": "\\ud800"}', "not valid JSON: a string holds half of a surrogate pair"),
        (b'{"a": 1e999, "b": "\\udc00"}', "not valid JSON: a string holds half of a surrogate pair"),
        (b'{"a": NaN}', "NaN is not a JSON value; write null"),
        (b'{"a": Infinity}', "Infinity is not a JSON value; write 1e999"),
        (b'{"a": -Infinity}', "-Infinity is not a JSON value; write -1e999"),
        (b"[1]", "the body is an array; expected a JSON object"),
        (b'"text"', "the body is a string; expected a JSON object"),
        (b'{"a": "\x01"}', "not valid JSON: Invalid control character at line 1 column 8"),
        (b'{"n": 1e999, "a": ' + b"[" * 3000 + b"]" * 3000 + b"}", "nested too deep; the limit is 1,024 levels"),
        (b'{"n": 1e999, "n": 2}', "the key 'n' is there twice in one object"),
        (b"3", "the body is a number; expected a JSON object"),
        (b"null", "the body is null; expected a JSON object"),
        (b"true", "the body is a boolean; expected a JSON object"),
        (b"[" * 100_000, "nested too deep; the limit is 1,024 levels"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deep; the limit is 1,024 levels"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deep; the limit is 1,024 levels"),
        (b'{"a": ' + b"[" * 2000 + b"]" * 2000 + b"}", "nested too deep; the limit is 1,024 levels"),
        (b'{"a": ' + b"9" * 5000 + b"}", "an integer of more than 4,300 digits"),
    ],
)
def test_what_is_not_a_json_object_is_refused(body: bytes, says: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_object(body)

    assert says in str(caught.value)


def test_numbers_beyond_double_precision_are_read() -> None:
    document = parse_object(b'{"far": [1e999, -1e999], "big": 18446744073709551616}')

    assert plain(document["far"]) == [float("inf"), float("-inf")]
    assert document["big"] == 2**64


def test_a_byte_order_mark_is_ignored() -> None:
    assert parse_object(b'\xef\xbb\xbf{"a": 1}')["a"] == 1
    assert parse_object(b'\xef\xbb\xbf{"a": 1e999}')["a"] == float("inf")
