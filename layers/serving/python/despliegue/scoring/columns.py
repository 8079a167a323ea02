"""Which of a file's columns are the model's features: by name, whatever their case, signs and order, or by position."""

from collections.abc import Iterable, Sequence

from despliegue.errors import VALUE_CHARACTERS, UnscorableFile, shorten
from despliegue.features import Schema
from despliegue.features.schema import listed


def match_columns(schema: Schema, names: Sequence[str]) -> dict[str, int]:
    """The place of each feature among the columns; other columns are none of the model's business.

    Args:
        schema: the model's columns; one that may be missing may be missing altogether.
        names: those of the file.

    Raises:
        UnscorableFile: a feature is not there, or is there twice.
    """
    places: dict[str, int] = {}
    for feature, column in schema.columns.items():
        found = _called(feature, names, schema)
        if len(found) > 1:
            columns = shown(names[at] for at in found)
            raise UnscorableFile(
                f"feature '{feature}' is there {len(found)} times, as {columns}; expected it once", subject=feature
            )
        if found:
            places[feature] = found[0]
        elif column.missing is None and not column.optional:
            missing = [name for name in schema.columns if name not in places and not _called(name, names, schema)]
            raise UnscorableFile(
                f"the file has no column {listed(missing)}; its columns are {shown(names) or 'none'}", subject=feature
            )
    if not places:
        raise UnscorableFile(
            f"none of the file's columns is a feature: expected {listed(schema.columns)}, came {shown(names) or 'none'}"
        )
    return places


def shown(names: Iterable[str]) -> str:
    """Names for a message: the first ten, each cut at forty characters."""
    return listed(name if len(name) <= VALUE_CHARACTERS else f"{name[: VALUE_CHARACTERS - 1]}…" for name in names)


def folded(name: str) -> str:
    """A name without what programs change in it: case, spaces, and signs that R or SQL would not have in a name."""
    return "".join(filter(str.isalnum, name.casefold())) or name.strip()


def _called(feature: str, names: Sequence[str], schema: Schema) -> list[int]:
    """The places of the columns that are called as a feature: exactly, else but for case, else but for signs."""
    if exact := [at for at, name in enumerate(names) if name == feature]:
        return exact
    plain = feature.strip().casefold()
    if alike := [at for at, name in enumerate(names) if name.strip().casefold() == plain]:
        return alike
    # A column that is another feature's own is not taken for this one.
    own = {name.strip().casefold() for name in schema.columns}
    short = folded(feature)
    return [at for at, name in enumerate(names) if folded(name) == short and name.strip().casefold() not in own]


def match_position(wanted: str, names: Sequence[str] | None, width: int) -> int:
    """The place of the id column: by name, or by its number from 1 where the columns have no names.

    Raises:
        UnscorableFile: there is no such column.
    """
    if names is not None:
        found = [at for at, name in enumerate(names) if name == wanted] or [
            at for at, name in enumerate(names) if name.strip().casefold() == wanted.casefold()
        ]
        if not found:
            raise UnscorableFile(f"there is no id column {shorten(wanted)}; the columns are {shown(names)}")
        if len(found) > 1:
            raise UnscorableFile(f"the id column {shorten(wanted)} is there {len(found)} times; expected it once")
        return found[0]
    if not (wanted.isascii() and wanted.isdecimal() and 1 <= int(wanted) <= width):
        raise UnscorableFile(
            f"the id column is {shorten(wanted)}; without a header, expected its number from 1 to {width:,}"
        )
    return int(wanted) - 1
