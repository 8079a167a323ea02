"""JSON Schema of `manifest.json`, from the types that read it and what their docstrings say of each field.

`python -m despliegue_cli.packages.manifest_schema > docs/manifest.schema.json` writes the published one anew.
"""

import re
import sys
from typing import Any

import msgspec
import orjson

from despliegue.models.manifest import FORMAT, Manifest


def manifest_schema() -> dict[str, Any]:
    """The schema (draft 2020-12). Keys that it does not know are allowed, as `Manifest.read` ignores them."""
    definitions = msgspec.json.schema(Manifest)["$defs"]
    for definition in definitions.values():
        _describe_fields(definition)
    manifest = definitions.pop("Manifest")
    beside = {
        "digest": {
            "type": "string",
            "pattern": "^[0-9a-f]{64}$",
            "description": "SHA-256 in hex over the other keys, sorted, as JSON without spaces: names the package.",
        },
        "format": {
            "type": "integer",
            "minimum": 1,
            "maximum": FORMAT,
            "default": FORMAT,
            "description": "version of this form; a Despliegue that knows only lower ones refuses it.",
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **manifest,
        "properties": {**beside, **manifest["properties"]},
        "$defs": definitions,
    }


def _describe_fields(definition: dict[str, Any]) -> None:
    """Share the docstring, which msgspec gives as the description of a type, out to the fields."""
    definition["description"], _, attributes = definition["description"].partition("\n\nAttributes:\n")
    for name, text in re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", attributes, re.MULTILINE):
        definition["properties"][name]["description"] = " ".join(text.split()).replace("None ", "null ")


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(manifest_schema(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
