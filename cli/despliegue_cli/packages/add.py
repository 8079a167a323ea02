"""From a model file to a version in the repository: converted, improved, proven, checked, described; or nothing."""

import re
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

import msgspec
import orjson

from despliegue.errors import DespliegueError
from despliegue.models import Manifest, Model, ModelRepository, SessionSettings
from despliegue.models.folder import PRIVATE
from despliegue.models.model import FILE_NAME
from despliegue.monitoring import Profile, profile
from despliegue_cli.convert import Converted, convert
from despliegue_cli.curl import curl, curl_image
from despliegue_cli.packages.budget import check_budget
from despliegue_cli.packages.checks import check_outputs
from despliegue_cli.packages.description.calls import Calls, calls
from despliegue_cli.packages.description.card import write_card
from despliegue_cli.packages.description.events import write_events
from despliegue_cli.packages.description.profile_file import write_profile
from despliegue_cli.packages.description.public_example import example, published_example
from despliegue_cli.packages.description.usual_values import with_usual_values
from despliegue_cli.packages.drafts import Draft, draft
from despliegue_cli.packages.improve import Improvements, improve
from despliegue_cli.packages.signing import sign
from despliegue_cli.proof.evidence import Evidence
from despliegue_cli.proof.examples import write_examples
from despliegue_cli.proof.graph_values import graph_texts
from despliegue_cli.proof.package_runs import run
from despliegue_cli.proof.proof import Proof
from despliegue_cli.proof.rows import arrays

ADDRESS: Final = "http://127.0.0.1:8080"
"""Where `despliegue serve` serves unless told."""
_ENDINGS: Final = re.compile(
    r"\.(onnx|skops|joblib|pickle|pkl|json|ubj|txt|model|bst|lgb|gz|bz2|xz|zst|lzma|z)$", re.IGNORECASE
)
IMPROVEMENTS: Final = "improvements.json"
"""In the private folder: what improving did, and what it was measured to change on this machine."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a model is added.

    Attributes:
        name: of the model; else that of the file.
        version: of the model; else the one after the highest.
        sample: rows to compare the package with its original on: CSV, JSON Lines, Parquet, npz, or a folder of images.
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
        default: whether it answers where no version is named.
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
    default: bool = True
    events: tuple[Path, ...] = ()
    call: str = ""


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
            there already, and nothing is left behind; or it was added, as the message says, without sample events.
    """
    for given in (path, models, options.sample, options.card, options.private_key, options.description):
        _check_text(str(given))
    name = options.name or model_name(path)
    authors_text = _read_card(options.card)
    progress("converting it")
    version: Draft | None = None
    try:
        with draft(models, name, options.version) as version:
            with convert(path, trust=options.trust, sample=options.sample) as converted:
                added, wanted = _package(version, name, converted, options, authors_text, progress)
            if not options.any_size:
                check_budget(models, version.folder)
            if options.private_key is not None:
                sign(version.folder, options.private_key)
            version.commit()
        events = _events(models, name, version.version, wanted)
    except KeyboardInterrupt:
        if version is None or not version.final.exists():
            raise
        raise DespliegueError(
            f"{name} {version.version} was added, but an interrupt came before all of its sample events were written"
        ) from None
    is_default = _is_default(models, name, version.version)
    named = "" if is_default else version.version
    path_of_call, body = wanted.best(name, named)
    if wanted.takes_image:
        call = curl_image(f"{ADDRESS}/models/{name}{named and f'/versions/{named}'}/invocations")
    else:
        call = curl(f"{ADDRESS}/{path_of_call}", body) if body else ""
    return msgspec.structs.replace(added, default=is_default, events=events, call=call)


def _package(
    version: Draft,
    name: str,
    converted: Converted,
    options: Options,
    authors_text: str,
    progress: Callable[[str], None],
) -> tuple[Added, Calls]:
    """Write all of the version's folder; gives what is known of it so far, and how it is called."""
    folder = version.folder
    shutil.copytree(converted.folder, folder, dirs_exist_ok=True)
    source = converted.source | ({"quantized": options.quantize} if options.quantize else {})
    manifest = Manifest(options.description, converted.features, converted.labels, source)
    model = _load(manifest, folder, name, version.version)
    progress("asking the original for its predictions")
    evidence = Evidence.gather(converted, model, folder / FILE_NAME, options.sample)
    asked, sampled = evidence.asked, evidence.sampled
    check_outputs(model, folder, asked, arrays(model, asked.columns))
    progress("improving it")
    # What is quantised differs from the original anyway, so it is the package before that which must not.
    before = evidence.prove(model, accept=options.accept_difference) if options.quantize else None
    improvements = improve(
        folder,
        arrays(model, asked.columns),
        sample=arrays(model, sampled.columns) if len(sampled) else None,
        quantize=options.quantize,
        measure=options.measure,
    )
    model = _load(manifest, folder, name, version.version)
    progress("comparing it with the original")
    is_accepted = options.accept_difference or bool(options.quantize)
    # What quantising changes of extremes that nobody has is no figure that tells anybody anything.
    proof = (evidence.of_sample if options.quantize else evidence).prove(model, accept=is_accepted)
    known = _write_private(folder, model, evidence, improvements)
    texts = graph_texts(folder / FILE_NAME)
    public = published_example(model, sampled) if options.publish_examples else example(model, known, texts)
    manifest = msgspec.structs.replace(
        manifest,
        features=with_usual_values(manifest.features, sampled.columns, known, texts) if known else manifest.features,
        verification=proof.verification(is_accepted) if proof and len(sampled) else None,
        example=public,
    )
    wanted = calls(model, manifest, public)
    write_card(folder, name, version.version, manifest, model, wanted, improvements, authors_text)
    _load(manifest, folder, name, version.version)
    added = Added(
        name,
        version.version,
        version.final,
        manifest.source,
        converted.isolation,
        evidence.rows.skipped,
        (before or proof) if len(sampled) else None,
        improvements,
    )
    return added, wanted


def _write_private(folder: Path, model: Model, evidence: Evidence, improvements: Improvements) -> Profile | None:
    """Write what never leaves this machine; gives the sample's profile."""
    (folder / PRIVATE).mkdir(exist_ok=True)
    (folder / PRIVATE / IMPROVEMENTS).write_bytes(orjson.dumps(msgspec.to_builtins(improvements)))
    if evidence.reference is not None:
        write_examples(folder, model, evidence.rows, evidence.reference)
    sampled = evidence.sampled
    if not len(sampled):
        return None
    known = profile(sampled.columns, run(model, sampled), model.manifest.labels)
    write_profile(folder, known)
    return known


def _events(models: Path, name: str, version: str, wanted: Calls) -> tuple[Path, ...]:
    try:
        return write_events(models, name, version, wanted)
    except (OSError, DespliegueError) as error:
        why = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else error
        raise DespliegueError(f"{name} {version} was added, but its sample events were not: {why}") from error


def model_name(path: Path) -> str:
    """A file's name as a model's: without its endings, ñ as n, what else is no letter or digit as a hyphen."""
    stem = path.name
    while _ENDINGS.search(stem):
        stem = _ENDINGS.sub("", stem)
    plain = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain).strip("-._") or "model"


def _check_text(text: str) -> None:
    """Refuse what could be neither written nor printed."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise DespliegueError(f"{text!a} is not in UTF-8; expected names and texts that are: rename it") from None


def _read_card(path: Path | None) -> str:
    try:
        return path.read_text(encoding="utf-8") if path is not None else ""
    except (OSError, UnicodeDecodeError) as error:
        raise DespliegueError(f"the card {path} cannot be read: {error}; expected Markdown in UTF-8") from error


def _load(manifest: Manifest, folder: Path, name: str, version: str) -> Model:
    """Load the package as it is served, with a manifest that is written first."""
    manifest.write(folder)
    return Model.load(folder, name, version, SessionSettings())


def _is_default(models: Path, name: str, version: str) -> bool:
    try:
        return ModelRepository(models).default_version(name) == version
    except DespliegueError:  # the model's manifest is broken: then a version is only found by its name
        return False
