"""Open Inference requests and replies in JSON. Source of the rules: `protocols.infer_request`, `.infer_response`."""

import re
from collections.abc import Mapping

from despliegue.models import DATATYPES, Model, Signature, TensorSpec
from despliegue.protocols.openapi import SCHEMAS, JsonSchema, tensors
from despliegue.protocols.requested_outputs import MAX_CLASSES

_FLAG = {"type": "boolean"}


def schemas(model: Model, prefix: str) -> dict[str, JsonSchema]:
    """`InferRequest` and `InferResponse` of a model, and what they are made of, by name; none that JSON cannot carry.

    Args:
        model: the model.
        prefix: what those names follow in the document.
    """
    signature, ref = model.signature, f"{SCHEMAS}{prefix}"
    inputs = _named("InferInput", signature.inputs)
    outputs = _named("InferOutput", signature.outputs)
    request = {
        "type": "object",
        "required": ["inputs"] if signature.required else [],
        "properties": {
            "id": {"type": ["string", "null"], "description": "Given back in the reply"},
            "parameters": _parameters(binary_data_output=_FLAG),
            "inputs": _inputs(inputs, ref),
            "outputs": _wanted(list(signature.outputs)),
        },
    }
    found: dict[str, JsonSchema] = {}
    if json_inputs(signature):
        found = {"InferRequest": request, **{name: _input(spec) for name, spec in inputs.items()}}
    if json_outputs(signature):
        given = [{"$ref": f"{ref}{name}"} for name in outputs]
        found["InferResponse"] = _response(model.name, model.version, given)
        found |= {name: _output(spec) for name, spec in outputs.items()}
    return found


def json_inputs(signature: Signature) -> bool:
    """Whether JSON can carry all inputs that a request must have."""
    return all(signature.inputs[name].datatype.in_json for name in signature.required)


def json_outputs(signature: Signature) -> bool:
    """Whether JSON can carry an output."""
    return any(spec.datatype.in_json for spec in signature.outputs.values())


def classified() -> JsonSchema:
    """An output that was asked for as the names of the classes of highest value; every model's is alike."""
    text = {"type": "string", "examples": ["0.98:2:Gentoo"]}
    return _tensor(
        {"type": "string"},
        {"type": "string", "const": "BYTES"},
        {"type": "array", "items": {"type": "integer", "minimum": 0}},
        {"type": "array", "items": text, "description": "value:index:label each"},
    )


def generic() -> dict[str, JsonSchema]:
    """`InferRequest` and `InferResponse` of any model."""
    name, datatype = {"type": "string"}, {"type": "string", "enum": list(DATATYPES)}
    shape = {"type": "array", "items": {"type": "integer", "minimum": 0}}
    sent = {"description": "An array, nested like the shape, or flat in row-major order; a scalar may stand bare"}
    request = {
        "type": "object",
        "properties": {
            "id": {"type": ["string", "null"], "description": "Given back in the reply"},
            "parameters": _parameters(binary_data_output=_FLAG),
            "inputs": {"type": "array", "items": _tensor(name, datatype, shape, sent)},
            "outputs": _wanted([]),
        },
    }
    output = _tensor(name, datatype, shape, {"type": "array", "items": {}})
    return {"InferRequest": request, "InferResponse": _response("", "", [output])}


def _inputs(inputs: dict[str, TensorSpec], ref: str) -> JsonSchema:
    """An entry for each input, in any order; those with an initialiser may be left out."""
    required = sum(not spec.optional for spec in inputs.values())
    references = [{"$ref": f"{ref}{name}"} for name in inputs]
    schema: JsonSchema = {"type": "array", "minItems": required, "maxItems": len(inputs)}
    if len(references) < 2:
        return schema | ({"items": references[0]} if references else {})
    schema["items"] = {
        "anyOf": references,
        "discriminator": {
            "propertyName": "name",
            "mapping": {spec.name: f"{ref}{name}" for name, spec in inputs.items()},
        },
    }
    schema["allOf"] = [
        {
            "contains": {"type": "object", "required": ["name"], "properties": {"name": {"const": spec.name}}},
            "minContains": int(not spec.optional),
            "maxContains": 1,
        }
        for spec in inputs.values()
    ]
    return schema


def _wanted(names: list[str]) -> JsonSchema:
    parameters = _parameters(
        binary_data=_FLAG, classification={"type": "integer", "minimum": 0, "maximum": MAX_CLASSES}
    )
    entry = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"} | ({"enum": names} if names else {}), "parameters": parameters},
    }
    return {
        "type": ["array", "null"],
        "items": entry,
        "description": "The wanted outputs, each once, in the wanted order; all of them where none is named",
    }


def _input(spec: TensorSpec) -> JsonSchema:
    name, datatype = {"type": "string", "const": spec.name}, {"type": "string", "const": spec.datatype.name}
    schema = _tensor(name, datatype, tensors.shape(spec), tensors.data(spec))
    return schema | ({"description": "May be left out: the model has a value for it"} if spec.optional else {})


def _output(spec: TensorSpec) -> JsonSchema:
    schema = _tensor(
        {"type": "string", "const": spec.name},
        {"type": "string", "const": spec.datatype.name},
        tensors.shape(spec),
        tensors.array([-1], tensors.value(spec.datatype, sent=False)),
    )
    if spec.maps:
        label = {"type": ["string", "integer"]}
        labels = {"type": "array", "items": label, "description": "What the columns are"}
        schema["properties"]["parameters"] = {"type": "object", "properties": {"labels": labels}}
    return schema


def _response(name: str, version: str, outputs: list[JsonSchema]) -> JsonSchema:
    text: JsonSchema = {"type": "string"}
    classified = {"$ref": f"{SCHEMAS}ClassifiedOutput"}
    return {
        "type": "object",
        "required": ["model_name", "model_version", "outputs"],
        "properties": {
            "model_name": text | ({"const": name} if name else {}),
            "model_version": text | ({"const": version} if version else {}),
            "id": text | {"description": "The request's, where it had one"},
            "outputs": {"type": "array", "items": {"anyOf": [*outputs, classified]}},
        },
    }


def _tensor(name: JsonSchema, datatype: JsonSchema, shape: JsonSchema, data: JsonSchema) -> JsonSchema:
    properties = {"name": name, "shape": shape, "datatype": datatype, "data": data}
    return {"type": "object", "required": list(properties), "properties": properties}


def _parameters(**properties: JsonSchema) -> JsonSchema:
    return {"type": ["object", "null"], "properties": properties}


def _named(kind: str, specs: Mapping[str, TensorSpec]) -> dict[str, TensorSpec]:
    """What JSON can carry, by a name for its schema: of the characters that OpenAPI allows there."""
    found: dict[str, TensorSpec] = {}
    for number, spec in enumerate(specs.values()):
        name = f"{kind}.{re.sub(r'[^A-Za-z0-9._-]', '_', spec.name)}"
        if spec.datatype.in_json:
            found[f"{name}.{number}" if name in found else name] = spec
    return found
