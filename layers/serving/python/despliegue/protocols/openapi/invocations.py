"""JSON requests to `/invocations`. Source of the rules: `protocols.invocations`, `protocols.instances`."""

from typing import Final

from despliegue.features import Schema
from despliegue.protocols.openapi import SCHEMAS, JsonSchema, object_of
from despliegue.protocols.openapi.tensors import array

_ANY: Final[JsonSchema] = array([-1], {})
_OBJECTS: Final[JsonSchema] = array([-1], {"type": "object"})
_BARE: Final[JsonSchema] = {"type": ["number", "string", "boolean", "null"]}


def schemas(schema: Schema, prefix: str, *, empty: bool) -> dict[str, JsonSchema]:
    """`InvocationsRequest` of a model, and what it is made of, by name.

    Args:
        schema: the model's.
        prefix: what those names follow in the document.
        empty: whether it takes no rows.
    """
    ref = f"{SCHEMAS}{prefix}"
    fewest = {} if empty else {"minItems": 1}
    if not schema.columns:
        return _request(ref, array([-1], {"type": ["string", "integer"]}), _OBJECTS | fewest, _ANY | fewest)
    names: list[JsonSchema] = [{"type": "string", "enum": list(schema.columns)}, {"type": "integer", "minimum": 0}]
    rows = [array([-1], item) | fewest for item in ({"$ref": f"{ref}Record"}, {"$ref": f"{ref}Row"})]
    if schema.single is not None and schema.single.name in schema.columns:
        rows.append(array([-1], _BARE) | fewest)
    inputs = [*schema.columns, *([schema.matrix.name] if schema.matrix is not None else [])]
    columns = {"properties": dict.fromkeys(inputs, _ANY), "additionalProperties": False}
    return _request(ref, array([-1], {"anyOf": names}), rows[0], {"anyOf": rows}, columns)


def generic() -> dict[str, JsonSchema]:
    """`InvocationsRequest` of any model."""
    return _request(SCHEMAS, _ANY, _OBJECTS, _ANY)


def _request(
    ref: str, columns: JsonSchema, records: JsonSchema, instances: JsonSchema, inputs: JsonSchema | None = None
) -> dict[str, JsonSchema]:
    """The four forms, and the request that is just one of them; what else it holds is ignored."""
    data = array([-1], _ANY) | {"description": "The rows, each as long as columns"}
    split = object_of(columns=columns, data=data)
    by_name = {"type": "object", "minProperties": 1, "description": "An array for each column, a value a row"}
    forms = {
        "dataframe_split": ("DataframeSplit", "`DataFrame.to_dict(orient='split')`", split),
        "dataframe_records": ("DataframeRecords", "`DataFrame.to_dict(orient='records')`", records),
        "instances": ("Instances", "Rows, as V1 predict has them", instances),
        "inputs": ("Inputs", "Columns by name, or rows", {"anyOf": [by_name | (inputs or {}), _ANY]}),
    }
    found: dict[str, JsonSchema] = {
        name: object_of(**{form: value}) | {"description": description}
        for form, (name, description, value) in forms.items()
    }
    return {"InvocationsRequest": {"oneOf": [{"$ref": f"{ref}{name}"} for name in found]}, **found}
