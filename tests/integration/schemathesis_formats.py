"""How schemathesis, which loads this, writes bodies that are no JSON."""

from typing import Any

import schemathesis


@schemathesis.serializer("application/jsonlines")
def write_lines(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """Text as it is. What is no text, sent to be refused, has no form in this format: `{}` would be a good line."""
    return value.encode(errors="replace") if isinstance(value, str) else b"no JSON"


schemathesis.serializer.alias(["application/vnd.apache.parquet", "application/x-npy"], "application/octet-stream")
