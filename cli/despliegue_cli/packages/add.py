"""From a model file to a version in the repository: converted, improved, proven, checked, described; or nothing."""

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import msgspec
import orjson

from despliegue.errors import DespliegueError
from despliegue.models import Manifest, Model, SessionSettings
from despliegue.models.folder import PRIVATE
from despliegue.models.model import FILE_NAME
from despliegue.monitoring import profile
from despliegue_cli.convert import Converted, Reference, convert
from despliegue_cli.convert.messages import ConversionError
from despliegue_cli.packages.budget import check_budget
from despliegue_cli.packages.checks import check_outputs
from despliegue_cli.packages.description.calls import Calls, calls
from despliegue_cli.packages.description.card import write_card
from despliegue_cli.packages.description.events import write_events
from despliegue_cli.packages.description.profile_file import write_profile
from despliegue_cli.packages.description.public_example import example, published_example
from despliegue_cli.packages.drafts import draft
from despliegue_cli.packages.improve import Improvements, improve
from despliegue_cli.packages.signing import sign
from despliegue_cli.proof.examples import write_examples
from despliegue_cli.proof.made_up import made_up
from despliegue_cli.proof.package_runs import run
from despliegue_cli.proof.proof import Proof, prove
from despliegue_cli.proof.rows import Rows, arrays
from despliegue_cli.proof.sample import read_sample

IMPROVEMENTS: Final = "improvements.json"
"""In the private folder: what improving did, and what it was measured to change on this machine."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a model is added.

    Attributes:
        name: of the model; else that of the file.
        version: of the model; else the one after the highest.
        sample: rows to compare the package with its original on: CSV, JSON Lines, Parquet or npz.
        trust: unpickle it, which runs whatever code is in it.
        description: one sentence for whoever calls it.
        card: the author's own text for the model card, Markdown.
        quantize: make its weights smaller and less exact.
        accept_difference: take a package that differs from its original.
        publish_examples: show callers the sample's first row, not a made-up one.
        private_key: sign the package with it: PEM.
        any_size: also one with which Lambda's functions would be too large to deploy.
        measure: time it before and after it is improved, which takes some seconds.
    """

    name: str | None = None
    version: str | None = None
    sample: Path | None = None
    trust: bool = False
    description: str = ""
    card: Path | None = None
    quantize: Literal["", "int8", "fp16"] = ""
    accept_difference: bool = False
    publish_examples: bool = False
    private_key: Path | None = None
    any_size: bool = False
    measure: bool = True


class Added(msgspec.Struct, frozen=True):
    """A model that was added.

    Attributes:
        name: the model's.
        version: the new version.
        folder: where it lies.
        source: where it came from: framework, versions, what was repaired.
        isolation: how the process that loaded the original was kept apart.
        skipped: rows of the sample that do not fit the features, and so prove nothing.
        proof: what the comparison found; None without a sample.
        improvements: what was done to the graph, and what that changed.
        events: sample events for `sam local invoke`.
        call: a line for a shell that asks the model where it is served on this machine; empty where there is none.
    """

    name: str
    version: str
    folder: Path
    source: dict[str, str]
    isolation: str
    skipped: int
    proof: Proof | None
    improvements: Improvements
    events: tuple[Path, ...]
    call: str


def add(
    path: Path,
    models: Path,
    options: Options = Options(),  # noqa: B008 – frozen
    progress: Callable[[str], None] = lambda step: None,
) -> Added:
    """Put a model into the repository.

    Args:
        path: ONNX, skops, joblib, pickle, XGBoost or LightGBM.
        models: root of the repository.
        options: how.
        progress: is told, in a few words, what is done next.

    Raises:
        DespliegueError: it cannot be converted, differs from its original, would not work where it is deployed, or is
            there already. Nothing is left behind.
    """
    name = options.name or re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._")
    authors_text = _read_card(options.card)
    progress("converting it")
    with (
        draft(models, name, options.version) as version,
        convert(path, trust=options.trust, sample=options.sample) as converted,
    ):
        folder = version.folder
        shutil.copytree(converted.folder, folder, dirs_exist_ok=True)
        source = converted.source | ({"quantized": options.quantize} if options.quantize else {})
        manifest = Manifest(options.description, converted.features, converted.labels, source)
        model = _load(manifest, folder, name, version.version)
        progress("asking the original for its predictions")
        rows = _rows(model, folder, options.sample)
        reference = _ask(converted, rows)
        asked = rows.pick(reference.accepted) if reference is not None else rows
        check_outputs(folder, asked, arrays(model, asked.columns))
        progress("improving it")
        # What is quantised differs from the original anyway, so it is the package before that which must not.
        before = _prove(model, rows, reference, accept=options.accept_difference) if options.quantize else None
        improvements = improve(folder, arrays(model, asked.columns), quantize=options.quantize, measure=options.measure)
        model = _load(manifest, folder, name, version.version)
        progress("comparing it with the original")
        is_accepted = options.accept_difference or bool(options.quantize)
        proof = _prove(model, rows, reference, accept=is_accepted, in_batches=options.quantize != "int8")
        (folder / PRIVATE).mkdir(exist_ok=True)
        sampled = asked.pick(~asked.made_up)
        known = None
        if len(sampled):
            known = profile(sampled.columns, run(model, sampled), manifest.labels)
            write_profile(folder, known)
        if reference is not None:
            write_examples(folder, model, rows, reference)
        (folder / PRIVATE / IMPROVEMENTS).write_bytes(orjson.dumps(msgspec.to_builtins(improvements)))
        public = published_example(model, sampled) if options.publish_examples else example(model, known)
        manifest = msgspec.structs.replace(
            manifest,
            verification=proof.verification(is_accepted) if proof and len(sampled) else None,
            example=public,
        )
        write_card(folder, name, version.version, manifest, model, improvements, authors_text)
        model = _load(manifest, folder, name, version.version)
        if not options.any_size:
            check_budget(models, folder)
        if options.private_key is not None:
            sign(folder, options.private_key)
        version.commit()
    try:
        events = write_events(models, name, version.version, model, manifest, public)
    except OSError as error:
        raise DespliegueError(
            f"{name} {version.version} was added, but its sample events were not: {error.filename}: {error.strerror}"
        ) from error
    return Added(
        name,
        version.version,
        version.final,
        manifest.source,
        converted.isolation,
        rows.skipped,
        (before or proof) if len(sampled) else None,
        improvements,
        events,
        _call(name, calls(model, manifest, public)),
    )


def _read_card(path: Path | None) -> str:
    try:
        return path.read_text(encoding="utf-8") if path is not None else ""
    except (OSError, UnicodeDecodeError) as error:
        raise DespliegueError(f"the card {path} cannot be read: {error}; expected Markdown in UTF-8") from error


def _load(manifest: Manifest, folder: Path, name: str, version: str) -> Model:
    """Load the package as it is served, with a manifest that is written first."""
    manifest.write(folder)
    return Model.load(folder, name, version, SessionSettings())


def _rows(model: Model, folder: Path, sample: Path | None) -> Rows:
    """The rows that original and package are asked about: those of the sample, and made-up ones."""
    found = None if sample is None else read_sample(model, sample)
    invented = made_up(model, found, folder / FILE_NAME)
    return invented if found is None else found.with_more(invented)


def _ask(converted: Converted, rows: Rows) -> Reference | None:
    """What the original predicts; None where there is no sample, and it knows none of the made-up categories."""
    try:
        return converted.predict(rows.columns)
    except ConversionError:
        if rows.made_up.all():
            return None
        raise


def _prove(
    model: Model, rows: Rows, reference: Reference | None, *, accept: bool, in_batches: bool = True
) -> Proof | None:
    if reference is None:
        return None
    proof = prove(model, rows, reference, in_batches=in_batches)
    proof.check(accept)
    return proof


def _call(name: str, wanted: Calls) -> str:
    """A line for a shell, for the address where `despliegue serve` serves unless told."""
    path = f"v1/models/{name}:predict" if wanted.predict else f"v2/models/{name}/infer"
    body = (wanted.predict or wanted.infer).decode()
    return (
        f"curl -s http://127.0.0.1:8080/{path} -H 'Content-Type: application/json' -d {shlex.quote(body)}"
        if body
        else ""
    )
