"""JSON Schemas of what a model takes and gives, a module each protocol; in the words of OpenAPI 3.1, without its paths.

They say no more and no less than the decoders do, as far as JSON Schema can say it: not that a tensor's data fits its
shape, that no name comes twice, or that ±1e999, which reads as infinity, is a number too.
"""

from typing import Any, Final

type JsonSchema = dict[str, Any]

SCHEMAS: Final = "#/components/schemas/"
"""What a schema's name follows in a reference to it."""


def object_of(**properties: JsonSchema) -> JsonSchema:
    """An object that has all of these."""
    return {"type": "object", "required": list(properties), "properties": properties}
