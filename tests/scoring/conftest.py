"""One file scored in memory by a model that is shipped, or one of a few small ones that are not."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx
import onnx.parser
import pytest

from despliegue.errors import UnscorableFile
from despliegue.models import Model, ModelRepository
from despliegue.scoring import Counts, Options, Scoring, TooManyRejects

MODELS: dict[str, tuple[str, str, list[tuple[str, str | None]]]] = {
    "sum": (
        "(float[N, 2] x) => (double[N, 1] y) <int64[1] axes = {1}>",
        "d = Cast<to=11>(x)  y = ReduceSum<keepdims=1>(d, axes)",
        [("a", None), ("b", None)],
    ),
    "same": (
        "(double[N, 2] x) => (double[N, 2] y)",
        "y = Identity(x)",
        [("a", "NaN"), ("b", "NaN")],
    ),
    "bare": (
        "(float[N, 3] x) => (float[N, 1] y) <int64[1] axes = {1}>",
        "y = ReduceSum<keepdims=1>(x, axes)",
        [],
    ),
    "types": (
        "(bool[N] b, int8[N] i, uint64[N] u, double[N, 1] d, string[N] s)"
        " => (bool[N] ob, int8[N] oi, uint64[N] ou, double[N, 1] od, string[N] os)",
        "ob = Identity(b)  oi = Identity(i)  ou = Identity(u)  od = Identity(d)  os = Identity(s)",
        [],
    ),
    "texts": (
        "(string[N] s, string[N] t) => (string[N] os, string[N] ot)",
        "os = Identity(s)  ot = Identity(t)",
        [("s", ""), ("t", None)],
    ),
    "text": ("(string[N] s) => (string[N] os)", "os = Identity(s)", []),
    "half": ("(float16[N] h) => (float16[N] y)", "y = Identity(h)", []),
    "picky": (
        "(int64[N] i) => (float[N] y) <float[3] values = {10.0, 20.0, 30.0}>",
        "y = Gather(values, i)",
        [("i", None)],
    ),
    "numbered": (
        "(float[N, 3] x) => (float[N, 1] y) <int64[1] axes = {1}>",
        "y = ReduceSum<keepdims=1>(x, axes)",
        [("0", "NaN"), ("1", "NaN"), ("2", "NaN")],
    ),
    "spread": (
        "(float[N, 1] h) => (float[N, 500] y) <int64[2] repeats = {1, 500}>",
        "y = Tile(h, repeats)",
        [],
    ),
    "whole": ("(int64[N] i) => (int64[N] prediction)", "prediction = Identity(i)", [("i", None)]),
    "images": ("(float[N, 2, 2] image) => (float[N, 2, 2] same)", "same = Identity(image)", []),
    "long": ("(float[N, 2] x) => (float[1] y)", "y = ReduceMax<keepdims=0>(x)", [("a", None), ("b", None)]),
}
"""Signature, body and features with their missing markers, by name."""


@dataclass
class Scored:
    """What came of a file.

    Attributes:
        output: the scored file.
        rejects: its rejects.
        counts: its rows.
        error: why the file failed; '' where it did not.
        facts: what was found out of it.
        suffix: what its name would end in.
    """

    output: bytes = b""
    rejects: list[dict[str, Any]] = field(default_factory=list)
    counts: Counts | None = None
    error: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    suffix: str = ""

    @property
    def lines(self) -> list[str]:
        return self.output.decode().removeprefix("\ufeff").splitlines()

    @property
    def table(self) -> list[dict[str, str]]:
        """The rows of scored CSV that has a header."""
        text = io.StringIO(self.output.decode().removeprefix("\ufeff"), newline="")
        return list(csv.DictReader(text, delimiter=self.facts["delimiter"], quotechar=self.facts["quote"]))

    @property
    def objects(self) -> list[Any]:
        """The rows of scored JSON Lines."""
        return [json.loads(line) for line in self.output.removeprefix(b"\xef\xbb\xbf").split(b"\n")[:-1]]

    def column(self, name: str) -> list[str]:
        """A column of scored CSV that has a header."""
        return [row[name] for row in self.table]


@pytest.fixture(scope="session")
def repository_of(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ModelRepository]:
    """The repository that has a model of this name."""
    folder = tmp_path_factory.mktemp("models")
    for name, (signature, body, features) in MODELS.items():
        (folder / name / "1").mkdir(parents=True)
        graph = f'<ir_version: 10, opset_import: ["": 21]> g {signature} {{ {body} }}'
        onnx.save(onnx.parser.parse_model(graph), folder / name / "1" / "model.onnx")
        named = [{"name": feature, "missing": marker} for feature, marker in features]
        (folder / name / "1" / "manifest.json").write_text(json.dumps({"features": named}))
    small, shipped = ModelRepository(folder), ModelRepository(root / "layers" / "models")
    return lambda name: small if name in MODELS else shipped


@pytest.fixture(scope="session")
def scored_models(repository_of: Callable[[str], ModelRepository]) -> Callable[[str], Model]:
    """Gets a model by name."""
    return lambda name: repository_of(name).get(name)


@pytest.fixture(scope="session")
def score(scored_models: Callable[[str], Model]) -> Callable[..., Scored]:
    """Scores `data`, bytes, text or a source, with a model by name; options as the command has them."""

    def run(model: str, data: Any, name: str = "rows.csv", **options: str) -> Scored:
        source = data.encode() if isinstance(data, str) else data
        output, rejects, scored = io.BytesIO(), io.BytesIO(), Scored()
        try:
            read = Options.read({key.replace("_", "-"): text for key, text in options.items()})
            scoring = Scoring.open(
                scored_models(model), name, io.BytesIO(source) if isinstance(source, bytes) else source, read
            )
            scored.facts, scored.suffix = scoring.facts(), scoring.suffix
            scored.counts = scoring.run(output, rejects)
        except UnscorableFile as error:
            scored.error = str(error)
            scored.counts = error.counts if isinstance(error, TooManyRejects) else None
        scored.output = output.getvalue()
        scored.rejects = [json.loads(line) for line in rejects.getvalue().splitlines()]
        return scored

    return run
