"""Versions on their way out: `deprecated` in `<name>/manifest.json`."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

import msgspec

from despliegue.errors import ModelNotReady

KEY: Final = "deprecated"
"""The key of `<name>/manifest.json` that holds them: `{"1": {"since": "2026-11-01", "sunset": "2027-01-01"}}`."""


class Deprecation(msgspec.Struct, frozen=True):
    """That a version is on its way out.

    Attributes:
        since: the day, in UTC, from which on nobody should begin to use it.
        sunset: the day from which on it may be gone; None where none is set.
        successor: the version to use in its stead; None where all are on their way out.
    """

    since: date
    sunset: date | None = None
    successor: str | None = None


def read_deprecations(document: Mapping[str, Any], versions: Sequence[str], default: str) -> dict[str, Deprecation]:
    """The deprecated versions. Their successor is the default version, else the highest that is not deprecated.

    Args:
        document: what `<name>/manifest.json` holds.
        versions: those that there are, in order.
        default: the one that is meant when none is named.

    Raises:
        ModelNotReady: what it holds is not of this form, or a sunset comes before its deprecation (RFC 9745, 5).
    """
    try:
        found = msgspec.convert(document[KEY], dict[str, Deprecation])
    except msgspec.ValidationError as error:
        form = "{version: {since: date, sunset: date}}"
        raise ModelNotReady(f"its {KEY} is not of the form {form}: {error}") from error
    kept = [version for version in (*versions, default) if version not in found]
    for version, entry in found.items():
        if entry.sunset is not None and entry.sunset < entry.since:
            raise ModelNotReady(f"its {KEY} has a sunset of version {version} before its since")
        found[version] = Deprecation(entry.since, entry.sunset, kept[-1] if kept else None)
    return found
