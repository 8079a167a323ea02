"""JSON Lines → named arrays: on each line one row as V1's `instances` has it, an object, an array or a value."""

from typing import Final

import msgspec

from despliegue.errors import InvalidRequest
from despliegue.models.model import Array
from despliegue.protocols.document import parse_slowly
from despliegue.protocols.predict_v1 import Decoder

_BOM: Final = b"\xef\xbb\xbf"
_is_one_value: Final = msgspec.json.Decoder(msgspec.Raw).decode
"""Raises where a text is not one JSON value; what is inside strings and numbers it does not look at."""


def decode_json_lines(body: bytes, decoder: Decoder) -> dict[str, Array]:
    """The model's inputs. Blank lines are no rows; rows are numbered from 0 without them.

    Raises:
        InvalidRequest: a line is not valid JSON, or the rows do not fit the model.
        PayloadTooLarge: the rows leave out more values than are filled in.
    """
    lines = [line for line in map(bytes.strip, body.removeprefix(_BOM).split(b"\n")) if line]
    if not lines:
        raise InvalidRequest("the body is empty; expected JSON Lines: a JSON object or array for each row")
    try:
        # Each on its own first: `1],[2` would make good JSON of a bad line once they are joined.
        for line in lines:
            _is_one_value(line)
        return decoder.decode(b'{"instances":[' + b",".join(lines) + b"]}")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, InvalidRequest) as error:
        for number, line in enumerate(lines):
            try:
                parse_slowly(line)
            except InvalidRequest as reason:
                raise InvalidRequest(f"row {number:,}: {str(reason).replace('the body', 'the line', 1)}") from error
        if isinstance(error, InvalidRequest):
            raise
        raise InvalidRequest(f"the body is not JSON Lines: {error}") from error
