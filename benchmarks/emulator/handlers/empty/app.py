"""The limit: what the emulator, the runtime's client and the event cost when the handler does nothing."""

from typing import Any


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A reply without a prediction."""
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": "{}"}
