"""What a repository holds, as plain data for tables and JSON."""

from pathlib import Path
from typing import Any

from despliegue.errors import ModelNotReady
from despliegue.models import Manifest, ModelRepository
from despliegue.models.folder import model_files
from despliegue.models.manifest import Verification
from despliegue.protocols.metadata import inputs_metadata, tensor_metadata


def models(repository: ModelRepository) -> list[dict[str, Any]]:
    """A row a version, sizes in bytes; nothing is loaded."""
    rows = []
    for name, versions in repository.index().items():
        try:
            default, problem = repository.default_version(name), ""
        except ModelNotReady as error:
            default, problem = "", str(error)
        for version in versions:
            folder = repository.root / name / version
            proven, description = _told(folder)
            rows.append(
                {
                    "name": name,
                    "version": version,
                    "default": version == default,
                    "proven": proven,
                    "size": _size(folder),
                    "description": problem or description,
                }
            )
    return rows


def strays(repository: ModelRepository) -> list[str]:
    """A sentence for each ONNX file that lies where no model is looked for."""
    index = repository.index()
    found = sorted(path.relative_to(repository.root) for path in repository.root.rglob("*.onnx"))
    return [
        f"{path} is not served: expected <name>/<version>/model.onnx, letters, digits, '.', '_' and '-' in the names"
        for path in found
        if len(path.parts) < 3 or path.parts[1] not in index.get(path.parts[0], ())
    ]


def model(repository: ModelRepository, wanted: str) -> dict[str, Any]:
    """The facts of one model, `name` or `name@version`, size in bytes; it is loaded, which proves that it can be."""
    name, _, version = wanted.partition("@")
    found = repository.get(name, version or None)
    folder = repository.root / name / found.version
    return {
        "name": found.name,
        "version": found.version,
        "versions": repository.versions(name),
        "description": found.manifest.description,
        "inputs": inputs_metadata(found),
        "outputs": [tensor_metadata(spec) for spec in found.signature.outputs.values()],
        "features": [feature.name for feature in found.manifest.features],
        "labels": list(found.manifest.labels),
        "source": found.manifest.source,
        "proof": _proof(found.manifest.verification),
        "size": _size(folder),
        "digest": found.manifest.describe(folder).digest,
    }


def as_text(key: str, value: Any) -> str:
    """A fact for a person to read."""
    if key == "size":
        return f"{value / 1e6:,.2f} MB" if value >= 1e6 else f"{value / 1e3:,.1f} kB"
    if isinstance(value, dict):
        return "\n".join(f"{name}: {item}" for name, item in value.items())
    if key in ("inputs", "outputs"):
        sizes = [", ".join("?" if size < 0 else str(size) for size in tensor["shape"]) for tensor in value]
        tensors = zip(value, sizes, strict=True)
        return "\n".join(
            f"{tensor['name']}  {tensor['datatype']} [{shape}]{_media_types(tensor)}" for tensor, shape in tensors
        )
    return ", ".join(value) if isinstance(value, list) else str(value)


def _media_types(tensor: dict[str, Any]) -> str:
    return "".join(f"  {' or '.join(each)}" for each in tensor.get("parameters", {}).values())


def _proof(found: Verification | None) -> str:
    if found is None:
        return "unverified: it was not compared with an original"
    compared = f"{found.rows:,} rows of a sample and {found.made_up:,} made-up ones"
    if found.accepted:
        return f"differs from its original on {compared}, by up to {found.difference:.1e}; its owner accepted that"
    return f"as its original on {compared}; numbers within {found.difference:.1e}"


def _told(folder: Path) -> tuple[bool, str]:
    """What a version's manifest tells: whether it is proven, and its description or why it is not ready."""
    try:
        manifest = Manifest.read(folder)
    except ModelNotReady as error:
        return False, f"not ready: {error}"
    verification = manifest.verification
    return verification is not None and not verification.accepted, manifest.description


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in model_files(folder))
