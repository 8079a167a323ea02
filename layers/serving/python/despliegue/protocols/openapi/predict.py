"""V1 predict requests and replies. Source of the rules: `protocols.predict_v1`, `features`."""

from despliegue.features import Classification, Column, Predictions, Regression, Schema
from despliegue.models import Model
from despliegue.models.manifest import Feature
from despliegue.protocols.openapi import SCHEMAS, JsonSchema, object_of, tensors


def schemas(
    model: Model, schema: Schema, predictions: Predictions | None, prefix: str, *, empty: bool
) -> dict[str, JsonSchema]:
    """`PredictRequest` and `PredictResponse` of a model, and what they are made of, by name.

    Args:
        model: the model.
        schema: its columns, of which there is one at least.
        predictions: what it predicts; None where that is not known.
        prefix: what those names follow in the document.
        empty: whether it takes no rows.
    """
    ref = f"{SCHEMAS}{prefix}"
    features = {feature.name: feature for feature in model.manifest.features}
    values = {name: _value(column, features.get(name)) for name, column in schema.columns.items()}
    required = [name for name, column in schema.columns.items() if column.missing is None and not column.optional]
    record = {"type": "object", "required": required, "properties": values, "additionalProperties": False}
    row = {
        "type": "array",
        "description": "The same values in the features' order",
        "prefixItems": list(values.values()),
        "minItems": len(values),
        "maxItems": len(values),
    }
    fewest = {} if empty else {"minItems": 1}
    rows = [{"type": "array", "items": {"$ref": f"{ref}{name}"}} | fewest for name in ("Record", "Row")]
    return {
        "PredictRequest": {
            "type": "object",
            "required": ["instances"],
            "properties": {"instances": {"anyOf": rows}},
            "not": {"required": ["inputs"]},
        },
        "Record": record,
        "Row": row,
        **replies(model, predictions, prefix),
    }


def replies(model: Model, predictions: Predictions | None, prefix: str) -> dict[str, JsonSchema]:
    """`PredictResponse`, and what it is made of, by name; see `schemas`."""
    return {
        "PredictResponse": _response({"$ref": f"{SCHEMAS}{prefix}Prediction"}),
        "Prediction": _prediction(model, predictions),
    }


def generic() -> dict[str, JsonSchema]:
    """`PredictRequest` and `PredictResponse` of any model."""
    instances = {"type": "array", "items": {"type": ["object", "array"]}}
    return {"PredictRequest": object_of(instances=instances), "PredictResponse": _response({})}


def _response(prediction: JsonSchema) -> JsonSchema:
    predictions = {"type": "array", "items": prediction, "description": "One for each row, in their order"}
    return object_of(predictions=predictions)


def _value(column: Column, feature: Feature | None) -> JsonSchema:
    schema = tensors.value(column.datatype, sent=True, null=False)
    kind = feature.kind if feature else ("category" if column.datatype.kind == "O" else "number")
    description = f"A {kind}"
    if column.missing is not None:
        schema["type"] = [schema["type"], "null"]
        description += "; null, or left out of a record, where it is missing"
    elif column.optional:
        description += "; may be left out of all records: the model has a value for it"
    # What is usual is no rule: other values are taken, so it must not be `minimum` or `enum`.
    if feature is not None and feature.usual:
        description = f"{description}. Usually {feature.usual_words}"
        schema["x-usual"] = list(feature.usual)
    if feature is not None and feature.choices:
        description = f"{description}. The examples are usual; other texts are taken"
        schema["examples"] = list(feature.choices)
    return schema | {"description": description}


def _prediction(model: Model, predictions: Predictions | None) -> JsonSchema:
    number: JsonSchema = {"type": ["number", "null"]}
    match predictions:
        case None:
            return {}
        case Regression():
            return number
        case Classification():
            probabilities = {
                "type": "object",
                "required": list(predictions.classes),
                "properties": dict.fromkeys(predictions.classes, number),
                "additionalProperties": False,
            }
            properties = {"label": _label(predictions), "probabilities": probabilities}
    if not isinstance(predictions, Classification):
        properties = {
            name: tensors.array(
                model.signature.outputs[name].shape[1:] or (-1,) * (array.ndim - 1),
                tensors.value(model.signature.outputs[name].datatype, sent=False),
            )
            for name, array in predictions.arrays.items()
        }
    return {"type": "object", "required": list(properties), "properties": properties}


def _label(predictions: Classification) -> JsonSchema:
    if predictions.labels.dtype.kind != "O":
        return {"type": "integer"}
    # Only a person says that the columns' names are the labels: one who was wrong must not make the document so.
    known = set(predictions.labels.tolist()) <= set(predictions.classes)
    return {"type": "string"} | ({"enum": list(predictions.classes)} if known else {})
