"""Valid inference requests and what can be done to them: by value, by byte, by header and by packing."""

import copy
import gzip
import json
import random
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from despliegue.http import Request

EXTREMES: list[Any] = [
    None,
    True,
    0,
    -1,
    1,
    2**31,
    2**63 - 1,
    2**63,
    2**64,
    10**30,
    10**4000,
    0.5,
    1e308,
    "",
    "ñ",
    [],
    {},
]
EXTREMES += [
    float("nan"),
    float("inf"),
    [[]],
    [[[]]],
    {"": 0},
    "\0",
    "\ud800",
    "x" * 300,
    [2**32, 0],
    [0, 2**32],
    [0] * 50,
]
SHAPES = [[10**4000, 10**4000], [2**32, 2**32], [2**63, 2], [0, 2**40], [0, 2], [1], [1, 1, 1], [], [-1, 2], [1.0, 2]]
NUMBERS = [b"1e999", b"-1e999", b"-0.0", b"1e-400", b"NaN", b"0x1", b"01", b"1.", b"-", b"9" * 20, b"9" * 5000, b"3.0"]
NUMBERS += [b"null", b'"1"', b"true", b"[1]", b"{}", b"65504.1", b"256", b"-129", b"3.4028236e38", b"1e400", b""]
LENGTHS = ["0", "1", "-1", "", "x", "9" * 15, "9" * 30, "1.0", "²", " 5", "5 "]
CODINGS = ["gzip", "deflate", "br", "identity", "gzip, gzip"]
TYPES = ["application/json", "application/octet-stream", "text/csv", "", ";", "application/json;json-header-size=3"]
SAGEMAKER = "application/vnd.sagemaker-triton.binary+json;json-header-size="
KEYS = ["id", "inputs", "outputs", "parameters", "name", "shape", "datatype", "data", "binary_data_size"]
KEYS += ["binary_data", "binary_data_output", "classification"]

type Seed = tuple[str, dict[str, Any], bytes]
"""A model's name, the JSON of a request to it, and the bytes behind that."""


class Mutator:
    """Makes the requests that a seed of chance stands for: about a third of them remain good."""

    def __init__(self, seeds: list[Seed], chance: int) -> None:
        self.seeds = seeds
        self.random = random.Random(chance)

    def request(self) -> Request:
        model, document, raw = copy.deepcopy(self.random.choice(self.seeds))
        while self.sometimes(2):
            self._change_values(document)
        header = json.dumps(document).encode()
        if self.sometimes(4):
            header = self._change_numbers(header)
        body, length = header + raw, str(len(header))
        while self.sometimes(3):
            body = self._change_bytes(body)
        if self.sometimes(6):
            length = self.random.choice([*LENGTHS, str(self.random.randrange(len(body) + 2))])
        headers = self._headers(length, bool(raw))
        if self.sometimes(4):
            body, headers["content-encoding"] = self._pack(body)
        return Request("POST", f"/v2/models/{model}/infer", headers, body, "fuzz")

    def sometimes(self, rarely: int) -> bool:
        return self.random.randrange(rarely) == 0

    def _headers(self, length: str, needed: bool) -> dict[str, str]:
        headers = {"content-type": self.random.choice(TYPES)} if self.sometimes(6) else {}
        if self.sometimes(8):
            return {"content-type": SAGEMAKER + length}
        if needed != self.sometimes(10):
            headers["inference-header-content-length"] = length
        if self.sometimes(4):
            headers["accept-encoding"] = "gzip"
        return headers

    def _change_values(self, document: dict[str, Any]) -> None:
        places = list(walk(document))
        if not places:
            return
        container, key = self.random.choice(places)
        match self.random.randrange(5):
            case 0:
                del container[key]
            case 1:
                other, another = self.random.choice(places)
                container[key] = copy.deepcopy(other[another])
            case 2 if isinstance(container, list):
                container.insert(key, copy.deepcopy(container[key]))
            case 2 | 3 if isinstance(container, dict):
                container[self.random.choice(KEYS)] = container[key]
            case _:
                container[key] = copy.deepcopy(self.random.choice(SHAPES if key == "shape" else EXTREMES))

    def _change_numbers(self, header: bytes) -> bytes:
        found = list(re.finditer(rb"-?\d+(\.\d+)?(e[+-]?\d+)?", header))
        for match in self.random.sample(found, min(len(found), self.random.randint(1, 3))):
            header = header.replace(match[0], self.random.choice(NUMBERS), 1)
        return header

    def _change_bytes(self, body: bytes) -> bytes:
        start, end = sorted(self.random.choices(range(len(body) + 1), k=2))
        if self.sometimes(2):
            end = min(end, start + 8)
        piece = body[start:end]
        match self.random.randrange(6):
            case 0 if piece:
                flipped = piece[0] ^ 1 << self.random.randrange(8)
                return body[:start] + bytes([flipped]) + body[start + 1 :]
            case 1:
                return body[:start] + body[end:]
            case 2:
                return body[:end] + piece + body[end:]
            case 3:
                _, document, raw = self.random.choice(self.seeds)
                return body[:start] + (json.dumps(document).encode() + raw)[start:]
            case 4:
                return body[:start]
            case _:
                return body[:start] + self.random.randbytes(len(piece)) + body[end:]

    def _pack(self, body: bytes) -> tuple[bytes, str]:
        if self.sometimes(20):
            body += b" " * self.random.choice([10**5, 3 * 10**6])
        packed = zlib.compress(body) if self.sometimes(3) else gzip.compress(body, 1)
        while self.sometimes(3):
            packed = self._change_bytes(packed)
        return packed, self.random.choice(CODINGS) if self.sometimes(6) else "gzip"


def walk(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a document, as its container and its key there; of long arrays the first few."""
    keys: list[Any] = list(value) if isinstance(value, dict) else list(range(min(len(value), 6)))
    for key in keys:
        yield value, key
        if isinstance(value[key], (dict, list)):
            yield from walk(value[key])


@pytest.fixture(scope="session")
def mutator() -> Callable[[list[Seed], int], Mutator]:
    """The class: test files cannot import one another."""
    return Mutator
