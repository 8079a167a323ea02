"""What the commands show of a repository, as plain data."""

from pathlib import Path
from typing import Any

import orjson

from despliegue.errors import DespliegueError, ModelNotReady
from despliegue.models import Manifest, Model, ModelRepository
from despliegue.models.manifest import PRIVATE_FOLDER


def models(repository: ModelRepository) -> list[dict[str, Any]]:
    """A row a version; nothing is loaded."""
    rows = []
    for name in repository.names():
        for version in repository.versions(name):
            folder = repository.root / name / version
            rows.append(
                {
                    "name": name,
                    "version": version,
                    "default": version == repository.default_version(name),
                    "size": _megabytes(_size(folder)),
                    "description": _description(folder),
                }
            )
    return rows


def model(repository: ModelRepository, wanted: str) -> dict[str, Any]:
    """The facts of one model, `name` or `name@version`; it is loaded, which proves that it can be."""
    name, _, version = wanted.partition("@")
    found = repository.get(name, version or None)
    folder = repository.root / name / found.version
    return {
        "name": found.name,
        "version": found.version,
        "versions": repository.versions(name),
        "description": found.manifest.description,
        "inputs": [_tensor(spec) for spec in found.signature.inputs.values()],
        "outputs": [_tensor(spec) for spec in found.signature.outputs.values()],
        "features": [feature.name for feature in found.manifest.features],
        "labels": list(found.manifest.labels),
        "source": found.manifest.source,
        "size": _megabytes(_size(folder)),
        "digest": found.manifest.describe(folder).digest,
    }


def as_text(value: Any) -> str:
    """A fact for a person to read."""
    if isinstance(value, dict):
        return "\n".join(f"{key}: {item}" for key, item in value.items())
    if isinstance(value, list):
        separator = "\n" if value and isinstance(value[0], dict) else ", "
        return separator.join(as_tensor(item) if isinstance(item, dict) else str(item) for item in value)
    return str(value)


def as_tensor(tensor: dict[str, Any]) -> str:
    """A tensor on one line, open dimensions as ?."""
    sizes = ", ".join("?" if size < 0 else str(size) for size in tensor["shape"])
    return f"{tensor['name']}  {tensor['datatype']} \\[{sizes}]"


def greeting(repository: ModelRepository, url: str) -> str:
    """What `serve` prints when it answers: where, and on the last line a call to paste."""
    names = repository.names()
    if not names:
        return f"Serving no model yet on {url} – put one at {repository.root}/<name>/<version>/model.onnx"
    lines = [f"Serving {', '.join(names)} on {url}. Try:"]
    for name in names:
        try:
            return "\n".join([*lines, curl(repository.get(name), url)])
        except DespliegueError as error:
            lines.insert(0, f"warning: {error}")
    return "\n".join(lines)


def curl(found: Model, url: str) -> str:
    """A call with the manifest's example, or a row of zeros where it has none."""
    zeros = found.zeros()
    inputs = []
    for name, array in zeros.items():
        data = found.manifest.example.get(name, array.tolist())
        datatype = found.signature.inputs[name].datatype.name
        inputs.append({"name": name, "shape": list(array.shape), "datatype": datatype, "data": data})
    body = orjson.dumps({"inputs": inputs}).decode()
    return f"curl -s {url}/v2/models/{found.name}/infer -H 'Content-Type: application/json' -d '{body}'"


def _tensor(spec: Any) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype.name, "shape": list(spec.shape)}


def _description(folder: Path) -> str:
    try:
        return Manifest.read(folder).description
    except ModelNotReady as error:
        return f"not ready: {error}"


def _size(folder: Path) -> int:
    return sum(
        path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).parts[0] != PRIVATE_FOLDER
    )


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.2f} MB"
