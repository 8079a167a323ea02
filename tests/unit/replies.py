"""What a reply holds, once it is of the form that it must have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from despliegue.http import Response


def error(response: Response, status: int = 400) -> str:
    document = json.loads(response.body)
    assert response.status == status, document
    assert list(document) == ["error"]
    message: str = document["error"]
    return message


def predictions(response: Response) -> Any:
    assert response.status == 200, response.body
    assert response.headers["content-type"] == "application/json"
    return json.loads(response.body)["predictions"]
