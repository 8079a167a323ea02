"""The body that asks for a job → what is asked for: which file will come, and how it is read and written."""

from typing import Any, Final

from despliegue.errors import InvalidRequest, UnscorableFile, shorten
from despliegue.http.job_store import JobRequest
from despliegue.http.messages import Request
from despliegue.http.open_inference import require_json
from despliegue.protocols.document import listed, parse_object, pick, plain, type_name
from despliegue.scoring.options import Options

_CONTENT_TYPES: Final = {
    "csv": "text/csv",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
_PACKINGS: Final = {"": ("", ""), "gzip": (".gz", "application/gzip"), "zstd": (".zst", "application/zstd")}
_MEMBERS: Final = ("format", "compression", "options")
_MAX_OPTION: Final = 1024
"""Most characters of an option: S3 takes 2 KB of metadata (S3 user guide, "User-defined object metadata")."""


def read_job_request(request: Request) -> JobRequest:
    """What is asked for; without a body a CSV file, read and written as the model's manifest says.

    Raises:
        UnsupportedContentType: the body says that it is not JSON.
        InvalidRequest: it is not JSON, or asks for what there is not.
    """
    if not request.body:
        return _job_request("csv", "", {})
    require_json(request)
    document = parse_object(request.body)
    given = {name: plain(value) for name, value in pick(document, _MEMBERS).items() if value is not None}
    if unknown := sorted(set(document.keys()) - set(_MEMBERS)):
        raise InvalidRequest(f"unknown member {shorten(unknown[0])}; expected {listed(_MEMBERS)}")
    options = given.get("options", {})
    if not isinstance(options, dict):
        raise InvalidRequest(f"options is {type_name(options)}; expected an object", subject="options")
    return _job_request(
        _one_of("format", given.get("format", "csv"), tuple(_CONTENT_TYPES)),
        _one_of("compression", given.get("compression", ""), tuple(_PACKINGS)),
        _read_options(options),
    )


def _job_request(table: str, packing: str, options: dict[str, str]) -> JobRequest:
    if table == "parquet" and packing:
        raise InvalidRequest(
            f"compression is '{packing}', but Parquet is packed within; expected none", subject="compression"
        )
    suffix, packed = _PACKINGS[packing]
    return JobRequest(f"input.{table}{suffix}", packed or _CONTENT_TYPES[table], options)


def _one_of(name: str, value: Any, known: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in known:
        expected = listed(filter(None, known))
        raise InvalidRequest(f"{name} is {shorten(value)}; expected one of {expected}", subject=name)
    return value


def _read_options(options: dict[str, Any]) -> dict[str, str]:
    """The options as texts, as they travel in an object's metadata."""
    texts = {name: _as_text(name, value) for name, value in options.items() if value is not None}
    try:
        Options.read(texts)
    except UnscorableFile as error:
        raise InvalidRequest(str(error), subject="options") from error
    for name, text in texts.items():
        if not text.isascii() or not text.isprintable() or len(text) > _MAX_OPTION:
            raise InvalidRequest(
                f"option {name} is {shorten(text)}; expected at most {_MAX_OPTION:,} characters, all of them ASCII: it"
                " travels in a header. A column of another name can be given by its number where there is no header, or"
                " the model's manifest can name it",
                subject="options",
            )
    return texts


def _as_text(name: str, value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))  # 1.0 is the number 1, in JSON
        case int() | float():
            return str(value)
        case "\t":
            return "tab"  # a header's value does not begin or end with it
        case str():
            return value.strip(" ")
    raise InvalidRequest(
        f"option {shorten(name)} is {type_name(value)}; expected a string, a number or a boolean", subject="options"
    )
