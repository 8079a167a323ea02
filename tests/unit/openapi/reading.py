"""What a document holds, operation by operation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

type Documents = dict[str, dict[str, Any]]

JSON = "application/json"


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each operation with its path and method."""
    for path, item in document["paths"].items():
        for method in item.keys() - {"parameters"}:
            yield path, method.upper(), item[method]


def examples(content: dict[str, Any], kind: str = JSON) -> dict[str, Any]:
    """The examples of a body, by name."""
    found = content.get(kind, {}).get("examples", {})
    return {name: example["value"] for name, example in found.items()}


def good(operation: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """The status of the good answer of an operation, and that answer."""
    [status] = [status for status in operation["responses"] if status.startswith("2")]
    answer: dict[str, Any] = operation["responses"][status]
    return int(status), answer


def error_examples(document: dict[str, Any], operation: dict[str, Any]) -> Iterator[tuple[int, str, Any]]:
    """The errors of an operation: status, name and body."""
    for status, response in operation["responses"].items():
        if "$ref" in response:
            response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
        if int(status) >= 400:
            for name, value in examples(response["content"]).items():
                yield int(status), name, value
