"""`MODEL_CARD.md`: what a package is, how to call it and how it was proven, for whoever uses it or answers for it.

Its sections follow Mitchell et al., "Model Cards for Model Reporting" (2019), its head the Hugging Face Hub's metadata.
It is part of the package and of its digest, so nothing in it is of a person's data, a place or a time.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import onnx

from despliegue.features import Schema
from despliegue.models import Manifest, Model, TensorSpec
from despliegue.models.images import MAX_PIXELS
from despliegue.models.manifest import Feature
from despliegue.models.model import FILE_NAME as MODEL
from despliegue_cli.curl import curl, curl_image
from despliegue_cli.packages.description.calls import Calls
from despliegue_cli.packages.description.markdown import code, escaped, fenced, table
from despliegue_cli.packages.improve.results import Improvements

FILE_NAME: Final = "MODEL_CARD.md"
_LISTED: Final = 100
"""Labels that are listed; a model may have thousands."""
_HOLDS_ROWS: Final = re.compile(r"\b(KNeighbors|RadiusNeighbors|(Nu|OneClass)?SV[CMR]\b|GaussianProcess)")
"""Estimators that predict by comparing with rows they were trained on."""
_FOR_AUTHORS: Final = {
    "Intended use": "Who is to use it, for what decisions, and what it must not be used for.",
    "Training data": "Where the rows came from, of when and of whom they are, and what was left out.",
    "Evaluation": "How well it predicts, by which measure, on which rows, and for which groups of people it is worse.",
    "Ethical considerations": "Whom a wrong prediction harms, what was done about it, and who answers for the model.",
}


def write_card(
    folder: Path,
    name: str,
    version: str,
    manifest: Manifest,
    model: Model,
    wanted: Calls,
    improvements: Improvements | None = None,
    authors_text: str = "",
) -> Path:
    """Write the card of a version; the same input gives the same bytes. Gives its path.

    Args:
        folder: where its `model.onnx` lies; the card goes beside it.
        name: the model's.
        version: the version's.
        manifest: as it will be written, but for `files`, of which the card is one.
        model: it, loaded.
        wanted: how it is called.
        improvements: what was changed in the graph after it was converted.
        authors_text: Markdown of the authors' own, in place of the questions to them.

    Raises:
        ModelNotReady: the manifest's features do not fit the inputs.
    """
    schema = Schema.read(model.signature, manifest)
    parts = [
        *_head(name, version, manifest, model, schema),
        "## How to call it",
        *_calls(name, version, wanted),
        "## Inputs",
        _inputs(manifest, model, schema),
        "## Outputs",
        *_outputs(manifest, model),
        "## Where it came from",
        _source(folder, manifest),
        "## How it was proven",
        *_proof(manifest),
        *_changes(improvements),
        "## Limits",
        _bullets(_limits(manifest, schema)),
        *([authors_text.strip()] if authors_text.strip() else _questions()),
        "---",
        "This file is part of the package, whose digest covers it: once edited, it is refused.",
    ]
    path = folder / FILE_NAME
    path.write_bytes(("\n\n".join(parts) + "\n").encode())
    return path


def _head(name: str, version: str, manifest: Manifest, model: Model, schema: Schema) -> Iterator[str]:
    task = ""
    if len(schema.columns) > 1:
        outputs = list(model.signature.outputs.values())
        is_number = len(outputs) == 1 and outputs[0].datatype.kind == "f" and outputs[0].shape[1:] in ((), (1,))
        kind = "classification" if manifest.labels else "regression" if is_number else ""
        task = f"pipeline_tag: tabular-{kind}\n" if kind else ""
    yield f"---\nlibrary_name: onnx\n{task}tags:\n- despliegue\n---"
    yield f"# {escaped(name)}, version {escaped(version)}"
    if manifest.description:
        yield escaped(manifest.description)


def _calls(name: str, version: str, wanted: Calls) -> Iterator[str]:
    if not wanted.infer:
        yield f"There is no example of a request. `GET /v2/models/{name}` tells what it takes."
        return
    if wanted.takes_image:
        yield f"One image a request, JPEG or PNG, of at most {MAX_PIXELS:,} pixels:"
        yield fenced(curl_image(f"$API_URL/models/{name}/versions/{version}/invocations", keyed=True), "sh")
        return
    path, body = wanted.best(name, version)
    yield fenced(curl(f"$API_URL/{path}", body, keyed=True), "sh")
    if wanted.file:
        yield f"A file of such rows, put into the inbox under `{name}@{version}/`, is scored:"
        yield fenced(wanted.file.decode(), "csv")


def _inputs(manifest: Manifest, model: Model, schema: Schema) -> str:
    if not schema.columns:
        return _tensors(model.signature.inputs.values())
    features = {feature.name: feature for feature in manifest.features}
    return table(
        ("feature", "kind", "datatype", "may be missing", "usual values"),
        [
            (
                code(name),
                features[name].kind if name in features else "",
                column.datatype.name,
                "no" if column.missing is None and not column.optional else "yes",
                _usual(features.get(name)),
            )
            for name, column in schema.columns.items()
        ],
    )


def _usual(feature: Feature | None) -> str:
    if feature is not None and feature.usual:
        return feature.usual_words
    return ", ".join(map(code, feature.choices)) if feature is not None and feature.choices else ""


def _outputs(manifest: Manifest, model: Model) -> Iterator[str]:
    yield _tensors(model.signature.outputs.values())
    if manifest.labels:
        shown = ", ".join(code(label) for label in manifest.labels[:_LISTED])
        more = f" and {len(manifest.labels) - _LISTED:,} more" if len(manifest.labels) > _LISTED else ""
        yield f"Labels, in the order of the probabilities: {shown}{more}."


def _tensors(specs: Iterable[TensorSpec]) -> str:
    return table(("name", "datatype", "shape"), [(code(spec.name), spec.datatype.name, _shape(spec)) for spec in specs])


def _shape(spec: TensorSpec) -> str:
    """Such as `[N, 30]`; a size that is open is a question mark."""
    sizes = ["?" if size < 0 else str(size) for size in spec.shape]
    return code(f"[{', '.join(['N', *sizes[1:]] if sizes and spec.shape[0] < 0 else sizes)}]")


def _source(folder: Path, manifest: Manifest) -> str:
    graph = onnx.load(folder / MODEL, load_external_data=False)
    opsets = sorted((opset.domain or "ai.onnx", opset.version) for opset in graph.opset_import)
    facts = [(escaped(key), escaped(value)) for key, value in manifest.source.items()]
    facts.append(("ONNX", f"IR {graph.ir_version}, " + ", ".join(f"{domain} {version}" for domain, version in opsets)))
    return table(("", ""), facts)


def _proof(manifest: Manifest) -> Iterator[str]:
    found = manifest.verification
    if found is None:
        yield "**Unverified.** Nobody compared this package with the model that it was made from: there was no sample."
        return
    made_up = (
        f" and {found.made_up:,} made-up ones, of missing values, boundaries and unseen categories,"
        if found.made_up
        else ""
    )
    yield f"The original and this package both predicted {found.rows:,} rows of a sample{made_up} and were compared:"
    labels = f"{found.labels:,} labels differ" if found.labels else "labels are equal, but for ties"
    yield _bullets(
        [
            f"{labels};",
            f"numbers differ by {found.difference:.1e} at most, relative to a usual one of their column;"
            f" {found.tolerance:.0e} was allowed.",
        ]
    )
    if found.accepted:
        yield "**It differs by more than was allowed, and a person accepted that.**"
    yield "This says that the package does what its original does, not that the original is right."


def _changes(improvements: Improvements | None) -> Iterator[str]:
    if improvements is None:
        return
    if kept := [step for step in improvements.steps if step.kept]:
        yield "After it was converted, its graph was changed:"
        yield _bullets(f"{escaped(step.name)}: {escaped(step.why)}" for step in kept)
    if not improvements.quantized:
        yield "It is not quantised."
    elif (found := improvements.accuracy) is None:
        yield f"**It is quantised ({improvements.quantized})**, which changed no output on the sample."
    else:
        yield f"**It is quantised ({improvements.quantized})**, which changed its outputs on {found.rows:,} rows:"
        yield table(
            ("output", "largest difference", "mean difference", "labels changed"),
            [
                (
                    code(each.output),
                    f"{each.largest:.1e}",
                    f"{each.mean:.1e}",
                    "" if each.changed is None else f"{each.changed:.2%}",
                )
                for each in found.outputs
            ],
        )


def _limits(manifest: Manifest, schema: Schema) -> Iterator[str]:
    if _HOLDS_ROWS.search(manifest.source.get("estimator", "")):
        yield "The model holds rows of its training data: whoever gets the file gets them."
    if not schema.columns:
        yield "Every input must be given, of the datatype and shape above; anything else is refused."
        return
    needed = [name for name, column in schema.columns.items() if column.missing is None and not column.optional]
    if needed:
        yield f"These may be neither null nor left out: {', '.join(map(code, needed))}."
    yield 'In JSON a number is no text and a text no number: `"5"` is refused where 5 is meant.'
    if any(column.datatype.kind == "O" for column in schema.columns.values()):
        yield "A category that was not in the training data is not refused: what it counts for is up to the model."
    yield (
        "A request that does not fit is refused whole, naming the feature; of a file only the rows that do not fit are"
        " rejected."
    )


def _questions() -> Iterator[str]:
    for heading, question in _FOR_AUTHORS.items():
        yield f"## {heading}"
        yield f"*Not said yet. {question}*"


def _bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)
