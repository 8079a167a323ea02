"""Parquet → named arrays, where the tables layer (arro3) is there: read by a process of its own.

A damaged file can end the process that reads it, since arro3 panics where Rust may not unwind; a small one may unpack
to more than there is memory. Neither may take the server with it: that is worth starting a process, a quarter second.
"""

import pickle
import subprocess
from importlib.util import find_spec
from typing import Final

from despliegue.errors import InvalidRequest, PayloadTooLarge, UnsupportedContentType
from despliegue.features import Schema
from despliegue.models import child_process
from despliegue.models.model import Array

MAGIC: Final = b"PAR1"
_SECONDS: Final = 20
_READER: Final = "despliegue.protocols.parquet_process"


def decode_parquet(body: bytes, schema: Schema) -> dict[str, Array]:
    """The model's inputs.

    Raises:
        UnsupportedContentType: this installation has no reader of Parquet.
        InvalidRequest: `body` is not Parquet, or does not fit the model.
        PayloadTooLarge: it unpacks to more than is read, or takes too long.
    """
    if not has_reader():
        raise UnsupportedContentType(
            "Parquet is not read here, since the tables layer is not there; send application/json, text/csv or"
            " application/jsonlines"
        )
    if not body:
        raise InvalidRequest("the body is empty; expected a Parquet file")
    if not (len(body) > 2 * len(MAGIC) and body.startswith(MAGIC) and body.endswith(MAGIC)):
        raise InvalidRequest(f"the body is not Parquet: it does not begin and end with {MAGIC.decode()}")
    try:
        done = subprocess.run(  # noqa: S603 – this Python, and a module of ours
            child_process.command(_READER),
            input=pickle.dumps((schema, body)),
            capture_output=True,
            timeout=_SECONDS,
            env=child_process.environment(),
        )
    except subprocess.TimeoutExpired as error:
        raise PayloadTooLarge(f"the Parquet file was not read within {_SECONDS} seconds; send fewer rows") from error
    if done.returncode:
        raise InvalidRequest("the body is not readable as Parquet: its reader failed")
    answer = pickle.loads(done.stdout)  # noqa: S301 – from our own process
    if isinstance(answer, dict):
        return answer
    kind, message, subject = answer
    raise {"PayloadTooLarge": PayloadTooLarge}.get(kind, InvalidRequest)(message, subject=subject)


def has_reader() -> bool:
    """Whether the tables layer is there."""
    try:
        return find_spec("arro3.io") is not None
    except ModuleNotFoundError:
        return False
