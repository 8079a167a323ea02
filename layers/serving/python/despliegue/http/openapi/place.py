"""Where the operations on one model stand in a document, and what all of them have."""

from collections.abc import Mapping, Sequence
from typing import Any

from despliegue.http.openapi import responses
from despliegue.http.openapi.examples import Described
from despliegue.http.openapi.faults import Errors
from despliegue.http.served import Auth
from despliegue.models import Model
from despliegue.protocols.openapi import SCHEMAS
from despliegue.protocols.openapi.infer import json_inputs, json_outputs


class Place:
    """Where the operations stand: their names, and those of what they refer to.

    Args:
        model: the model.
        described: what is known of it.
        prefix: of the names of schemas and operations.
        tag: the operations'.
        auth: what callers must prove.
        models: names of the models, for operations on any of them; none for those on the one.
    """

    def __init__(
        self, model: Model, described: Described, prefix: str, tag: str, auth: Auth, models: Sequence[str] = ()
    ) -> None:
        self.model = model
        self.described = described
        self.prefix = prefix
        self.tag = tag
        self.auth = auth
        self.is_any = bool(models)
        self.below = "/models/{model_name}" if models else described.below
        self.path = f"/v2{self.below}"
        name = {"name": "model_name", "in": "path", "required": True, "schema": {"type": "string", "enum": models}}
        self.shared = {"parameters": [name | {"example": model.name}]} if models else {}
        self.json_inputs = bool(models) or json_inputs(model.signature)
        self.json_outputs = bool(models) or json_outputs(model.signature)
        self.has_predict = bool(models) or described.schema is not None

    def schema(self, name: str) -> dict[str, str]:
        """A reference to a schema of the model's."""
        return {"$ref": f"{SCHEMAS}{self.prefix}{name}"}

    def operation(
        self,
        name: str,
        summary: str,
        description: str,
        success: Mapping[str, Any],
        *,
        status: str = "200",
        errors: Errors | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """An operation with its errors.

        Args:
            name: its own.
            summary: what it does, in a few words.
            description: what more there is to say; empty for nothing.
            success: the response where all is well.
            status: that one's.
            errors: those that it may have; where they are not given, those of its name.
            more: of its members.
        """
        found = self.described.errors[name] if errors is None else errors
        return {
            "operationId": f"{self.prefix}{name}",
            "tags": [self.tag],
            "summary": summary,
            **({"description": description} if description else {}),
            **({"deprecated": True} if self.described.deprecated else {}),
            **more,
            "responses": {status: success, **responses.errors(found, self.auth, posted="requestBody" in more)},
        }
