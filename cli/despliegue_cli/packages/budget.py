"""Whether the models still fit into Lambda: 250 MiB unzipped for a function's code and all of its layers.

What else a function has was measured for the larger architecture, and is kept here with a little room: most machines
that add a model never build the layers. A test compares it with what is built.
"""

from pathlib import Path
from typing import Final

from despliegue.errors import DespliegueError
from despliegue.models.folder import model_files

MIB: Final = 2**20
LIMIT: Final = 250 * MIB
"""Bytes. AWS Lambda Developer Guide, "Lambda quotas", deployment package size."""
OTHER_PARTS: Final = {
    "PredictFunction": 100 * MIB,
    "ScoreFunction": 128 * MIB,
    "ScoreFailedFunction": 128 * MIB,
}
"""By function that gets the models: bytes of its code and its other layers, unzipped."""
_LISTED: Final = 5


def check_budget(models: Path, draft: Path) -> None:
    """Make sure that every function that gets the models would still take them with one more version.

    Args:
        models: root of the repository; all of its versions are deployed.
        draft: folder of the new version, `<models>/<name>/.<draft>`.

    Raises:
        DespliegueError: they are too many for one; the message says what takes how much, and what to do.
    """
    new = _size(draft)
    there = _versions(models)
    total = sum(there.values()) + new
    if over := {name: other + total - LIMIT for name, other in OTHER_PARTS.items() if other + total > LIMIT}:
        function = max(over, key=over.__getitem__)
        raise DespliegueError(
            f"the models do not fit into Lambda, which takes {_mib(LIMIT)} unzipped: with this one, {', '.join(over)}"
            f" would be over, {function} by {_mib(over[function])}. Its code and other layers have"
            f" {_mib(OTHER_PARTS[function])}, {_listed(there)}this one {_mib(new)}. Remove versions that nobody calls"
            f" (`despliegue remove {next(iter(there), 'NAME@VERSION')}`), make this one smaller (--quantize int8, fewer"
            " trees), or deploy it from a repository of its own (--models)"
        )


def _listed(sizes: dict[str, int]) -> str:
    shown = [f"{name} {_mib(size)}, " for name, size in list(sizes.items())[:_LISTED]]
    rest = list(sizes.values())[_LISTED:]
    return "".join([*shown, f"{len(rest):,} more {_mib(sum(rest))}, " if rest else ""])


def _versions(models: Path) -> dict[str, int]:
    """Bytes by version, as `name@version`, or by what else lies in a model's folder; the largest first."""
    sizes: dict[str, int] = {}
    for path in model_files(models):
        name, *inner = path.relative_to(models).parts
        if inner:
            version = f"{name}@{inner[0]}" if len(inner) > 1 else name
            sizes[version] = sizes.get(version, 0) + path.stat().st_size
    return dict(sorted(sizes.items(), key=lambda found: (-found[1], found[0])))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in model_files(folder))


def _mib(size: int) -> str:
    return f"{size / MIB:,.1f} MiB"
