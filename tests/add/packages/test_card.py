"""The model card: what it says of a package, the call that it shows, and names of any kind."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import onnx
import pytest
from markdown_it import MarkdownIt
from onnx import TensorProto, helper

from despliegue.http import InferenceService, Request
from despliegue.models import Manifest, Model, ModelRepository, SessionSettings
from despliegue.models.manifest import Feature, Verification
from despliegue_cli.packages.description.calls import Calls, calls
from despliegue_cli.packages.description.card import write_card
from despliegue_cli.packages.description.markdown import escaped
from despliegue_cli.packages.description.public_example import example
from despliegue_cli.packages.improve.results import Accuracy, Improvements, Measurement, OutputChange, Step

IMAGE = """
    <ir_version: 10, opset_import: ["": 21]>
    g (float[N, 3, 8, 8] image) => (float[N, 3, 1, 1] y) { y = GlobalAveragePool(image) }
"""


@pytest.fixture
def card(root: Path, tmp_path: Path) -> Callable[..., str]:
    """The card of one of the repository's models, whose manifest says this too."""

    def write(name: str = "penguins", improvements: Improvements | None = None, text: str = "", **changes: Any) -> str:
        model = ModelRepository(root / "layers" / "models").get(name)
        (tmp_path / "model.onnx").write_bytes((root / "layers" / "models" / name / "1" / "model.onnx").read_bytes())
        manifest = msgspec.structs.replace(model.manifest, **changes)
        return write_card(
            tmp_path, name, "1", manifest, model, calls(model, manifest, manifest.example), improvements, text
        ).read_text()

    return write


def test_it_says_what_goes_in_what_comes_out_and_where_it_came_from(card: Callable[..., str]) -> None:
    text = card()

    assert text.startswith("---\nlibrary_name: onnx\npipeline_tag: tabular-classification\ntags:\n- despliegue\n---\n")
    assert "# penguins, version 1" in text
    assert "Which species a penguin is" in text
    assert "| `bill_length_mm` | number | FP32 | yes |" in text
    assert "| `probabilities` | FP32 | `[N, 3]` |" in text
    assert "`Adelie`, `Chinstrap`, `Gentoo`" in text
    assert "| framework | scikit-learn 1.9.1 |" in text
    assert "ai.onnx 21, ai.onnx.ml" in text
    headings = re.findall("^## (.*)$", text, re.MULTILINE)
    assert headings[-4:] == ["Intended use", "Training data", "Evaluation", "Ethical considerations"]


@pytest.mark.parametrize(("name", "route"), [("penguins", "/v1/"), ("breast-cancer", "/v1/"), ("image", "/v2/")])
def test_its_call_is_answered(
    card: Callable[..., str],
    root: Path,
    add_model: Callable[..., Path],
    repository: ModelRepository,
    name: str,
    route: str,
) -> None:
    if name == "image":
        folder = add_model(IMAGE, name)
        model = repository.get(name)
        manifest = Manifest(example=example(model, None))
        wanted = calls(model, manifest, manifest.example)
        text = write_card(folder, name, "1", manifest, model, wanted).read_text()
    else:
        text, repository = card(name), ModelRepository(root / "layers" / "models")
    (line,) = re.findall("^curl .*$", text, re.MULTILINE)

    words = shlex.split(line)
    path = words[2].removeprefix("$API_URL")
    reply = InferenceService(repository).handle(Request("POST", path, {}, words[-1].encode(), "1"))

    assert path.startswith(route)
    assert reply.status == 200, reply.body
    assert ("```csv" in text) == (route == "/v1/")


def test_how_it_was_proven_is_said_plainly(card: Callable[..., str]) -> None:
    proven = card(verification=Verification(2_000, 57, 0, 3.14e-7, 1e-5))
    accepted = card(verification=Verification(2_000, 0, 12, 0.03, 1e-5, accepted=True))

    assert "**Unverified.**" in card()
    assert "Unverified" not in proven
    assert "2,000 rows of a sample and 57 made-up ones" in proven
    assert "labels are equal" in proven
    assert "3.1e-07" in proven
    assert "accepted" not in proven
    assert "12 labels differ" in accepted
    assert "**It differs by more than was allowed, and a person accepted that.**" in accepted


def test_what_was_changed_is_told_but_no_timing(card: Callable[..., str]) -> None:
    before, after = Measurement(9_000, 41.5, 17.25), Measurement(3_000, 12.5, 9.75)
    steps = (Step("Optimised", True, "12 nodes fewer"), Step("Dead nodes", False, "there are none"))
    changed = Accuracy(2_000, (OutputChange("label", changed=0.0015), OutputChange("probabilities", 0.02, 1e-4)))

    plain = card(improvements=Improvements(steps, before, after))
    int8 = card(improvements=Improvements(steps, before, after, "int8", changed))

    assert "- Optimised: 12 nodes fewer" in plain
    assert "Dead nodes" not in plain
    assert "It is not quantised." in plain
    assert "It is quantised (int8)" in int8
    assert "| `label` | 0.0e+00 | 0.0e+00 | 0.15% |" in int8
    for figure in ("41.5", "17.25", "12.5", "9.75"):
        assert figure not in int8


def test_what_is_refused_is_said(card: Callable[..., str], add_model: Callable[..., Path]) -> None:
    assert "may be neither null nor left out" not in card("penguins")
    features = tuple(Feature(name, "number") for name in "abc")
    folder = add_model()
    Manifest(features=features).write(folder)
    model = Model.load(folder, "m", "1", SessionSettings())

    text = write_card(folder, "m", "1", model.manifest, model, Calls()).read_text()

    assert "These may be neither null nor left out: `a`, `b`, `c`." in text
    assert "| `a` | number | FP32 | no |" in text
    assert "There is no example of a request" in text


@pytest.mark.parametrize(
    ("estimator", "holds"),
    [
        ("StandardScaler → KNeighborsClassifier", True), ("SVC", True), ("NuSVR", True), ("OneClassSVM", True),
        ("GaussianProcessRegressor", True), ("RadiusNeighborsClassifier", True),
        ("LinearSVC", False), ("LogisticRegression", False), ("NearestCentroid", False),
    ],
)  # fmt: skip
def test_a_model_that_holds_rows_of_its_training_data_says_so(
    card: Callable[..., str], estimator: str, holds: bool
) -> None:
    assert ("whoever gets the file gets them" in card(source={"estimator": estimator})) == holds


@pytest.mark.parametrize("text", ["- item", "+ item", "1. item", "12) item", "---", "===", "    code", "> quote"])
def test_a_line_that_looks_like_another_block_is_a_paragraph(text: str) -> None:
    tokens = MarkdownIt("commonmark").parse(f"{escaped(text)}\n")

    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert "".join(part.content for part in tokens[1].children or ()) == text.strip()


@pytest.mark.parametrize("text", ["see https://example.org/a", "see www.example.org", "WWW.example.org"])
def test_an_address_is_no_link(text: str) -> None:
    (inline,) = MarkdownIt("commonmark").parseInline(escaped(text))

    # GitHub looks for these in the source, before escapes are undone.
    assert re.search(r"https://|www\.", escaped(text), re.IGNORECASE) is None
    assert "".join(part.content for part in inline.children or ()) == text


def test_the_authors_own_words_take_the_place_of_the_questions(card: Callable[..., str]) -> None:
    text = card(text="## Intended use\n\nCounting penguins.\n")

    assert "Counting penguins." in text
    assert "Not said yet" not in text
    assert card().count("Not said yet") == 4


def test_the_same_package_gives_the_same_bytes_and_no_place(card: Callable[..., str], tmp_path: Path) -> None:
    first = card()

    assert card() == first
    assert str(tmp_path) not in first
    assert str(Path.home()) not in first


NASTY = (
    "a|b",
    "`tick``s`",
    "two\nlines",
    "*bold* _it_ <b>x</b> [l](u) # | --- |",
    "back\\slash",
    "b\\|c",
    " ",
    "ñ\u2028é\t",
    "\u202eright to left\x9b2J😀",
)


def test_names_of_any_kind_stay_in_their_cells(tmp_path: Path) -> None:
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", len(NASTY)])]
    outputs = [helper.make_tensor_value_info("a|`b", TensorProto.FLOAT, ["N", len(NASTY)])]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["a|`b"])], "g", inputs, outputs)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), tmp_path / "model.onnx"
    )
    manifest = Manifest(
        "What *it* <is>\n# and | more",
        tuple(Feature(name, "number", "NaN") for name in NASTY),
        NASTY,
        {"framework": "x|y\n## z `1`"},
        example={"x": [[1.0] * len(NASTY)]},
    )
    manifest.write(tmp_path)
    model = Model.load(tmp_path, "m", "1", SessionSettings())

    written = write_card(tmp_path, "m", "1", manifest, model, calls(model, manifest, manifest.example))
    tokens = MarkdownIt("commonmark").enable("table").parse(written.read_text())

    shown = ["".join(part.content for part in token.children or ()) for token in tokens if token.type == "inline"]
    printable = ["".join(each if each.isprintable() else " " for each in name) for name in NASTY]
    first = shown.index("usual values")
    assert shown[first + 1 : first + 1 + 5 * len(NASTY) : 5] == printable
    assert "What *it* <is> # and | more" in shown
    assert "x|y ## z `1`" in shown
    assert "a|`b" in shown
    headings = [tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"]
    assert not any("and" in heading or "z" in heading for heading in headings[1:3])
    (call,) = (token.content for token in tokens if token.type == "fence" and token.info == "sh")
    assert call.strip().isprintable(), "nothing in it moves a cursor or turns a line round"
    assert set(json.loads(shlex.split(call)[-1])["instances"][0]) == set(NASTY)
