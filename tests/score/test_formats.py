"""A file of each format is scored, and its results lie where people look for them."""

from __future__ import annotations

import csv
import gzip
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from arro3.core import Array, DataType, Table
from arro3.io import read_parquet, write_parquet

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.score.conftest import Aws, Function

NUMBERS = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
SPECIES = ["Adelie"] * 6 + ["Gentoo"] * 3 + ["Chinstrap"] * 2


def records(birds: bytes) -> list[dict[str, Any]]:
    """The birds as JSON has them, without the one that is rejected."""
    rows = [row for row in csv.DictReader(io.StringIO(birds.decode())) if row["body_mass_g"] != "heavy"]
    return [
        {name: (float(text) if name in NUMBERS and text else text or None) for name, text in row.items()}
        for row in rows
    ]


def to_json_lines(birds: bytes) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in records(birds)).encode()


def to_parquet(birds: bytes) -> bytes:
    rows, file = records(birds), io.BytesIO()
    columns: dict[str, Any] = {
        name: Array([row[name] for row in rows], DataType.float64() if name in NUMBERS else DataType.string())
        for name in rows[0]
    }
    write_parquet(Table.from_pydict(columns), file)
    return file.getvalue()


def labels_in_csv(scored: bytes) -> list[str]:
    return [row["label"] for row in csv.DictReader(io.StringIO(scored.decode()))]


def labels_in_json_lines(scored: bytes) -> list[str]:
    return [json.loads(line)["label"] for line in scored.splitlines()]


def labels_in_parquet(scored: bytes) -> list[str]:
    return [str(label) for label in read_parquet(io.BytesIO(scored)).read_all()["label"].to_pylist()]


@pytest.mark.parametrize(
    ("name", "encode", "labels", "rejected", "content_type"),
    [
        ("birds.csv", bytes, labels_in_csv, 1, "text/csv"),
        ("birds.csv.gz", gzip.compress, lambda scored: labels_in_csv(gzip.decompress(scored)), 1, "application/gzip"),
        ("birds.jsonl", to_json_lines, labels_in_json_lines, 0, "application/x-ndjson"),
        ("birds.parquet", to_parquet, labels_in_parquet, 0, "application/vnd.apache.parquet"),
    ],
)
def test_a_file_becomes_a_scored_file_its_rejects_and_a_report(
    aws: Aws,
    function: Function,
    birds: bytes,
    name: str,
    encode: Callable[[bytes], bytes],
    labels: Callable[[bytes], list[str]],
    rejected: int,
    content_type: str,
) -> None:
    key = f"penguins/2026/{name}"
    ending = f"scored{name.removeprefix('birds')}"
    etag = aws.put(encode(birds), key)

    reply = function.handle(aws.message(aws.notification(key, etag)))

    report = aws.report(key)
    assert reply == {"batchItemFailures": []}
    assert sorted(aws.results()) == [f"{key}.rejects.jsonl", f"{key}.report.json", f"{key}.{ending}"]
    assert labels(aws.result(ending, key)) == SPECIES
    assert len(aws.result("rejects.jsonl", key).splitlines()) == rejected
    assert (report["status"], report["error"]) == ("scored", "")
    assert report["rows"] == {"read": 11 + rejected, "scored": 11, "rejected": rejected}
    assert report["input"]["etag"] == etag
    assert {output["key"]: output["etag"] for output in report["outputs"].values()} == {
        found: tag for found, tag in aws.results().items() if not found.endswith(".report.json")
    }
    head = aws.s3.head_object(Bucket="results", Key=f"{key}.{ending}")
    assert head["ContentType"].split(";")[0] == content_type
    assert aws.uploads() == []


def test_a_file_of_several_parts_is_copied_with_the_etag_that_the_report_names(
    aws: Aws, function: Function, several_parts: bytes
) -> None:
    aws.put(several_parts)

    function.handle(aws.notification())

    output = aws.report()["outputs"]["scored"]
    assert output["size"] > 16 * 1024 * 1024
    assert output["etag"].endswith("-4")
    assert aws.results()["penguins/birds.csv.scored.csv"] == output["etag"]
    scored = aws.result("scored.csv").splitlines()
    assert len(scored) == 1 + 19_998
    head = aws.s3.head_object(Bucket="results", Key="penguins/birds.csv.scored.csv")
    assert head["ContentType"].startswith("text/csv")
    assert aws.uploads() == []


def test_a_version_is_named_after_the_model(aws: Aws, function: Function, birds: bytes) -> None:
    aws.put(birds, "penguins@1/birds.csv")

    function.handle(aws.notification("penguins@1/birds.csv"))

    model = aws.report("penguins@1/birds.csv")["model"]
    assert (model["name"], model["version"], len(model["digest"])) == ("penguins", "1", 64)


def test_the_objects_metadata_says_how_it_is_read(aws: Aws, function: Function, birds: bytes) -> None:
    aws.put(birds.replace(b",", b";"), delimiter="semicolon", join="false", reject_threshold="50%")

    function.handle(aws.notification())

    assert aws.report()["options"]["delimiter"] == ";"
    assert aws.result("scored.csv").startswith(b"label;probability_Adelie;")


@pytest.mark.parametrize(
    ("key", "body", "metadata", "code", "error"),
    [
        ("birds.csv", b"x\n1\n", {}, "ModelNotFound", "the key names no model; expected <model>[@<version>]/…"),
        ("pinguins/birds.csv", b"x\n1\n", {}, "ModelNotFound", "there is no model 'pinguins'"),
        ("penguins@9/birds.csv", b"x\n1\n", {}, "ModelNotFound", "model 'penguins' has no version '9'; it has 1"),
        ("../penguins/birds.csv", b"x\n1\n", {}, "ModelNotFound", "there is no model '..'"),
        ("penguins/birds.csv", b"", {}, "UnscorableFile", "empty"),
        ("penguins/birds.csv", b"x\n1\n", {}, "UnscorableFile", "island"),
        ("penguins/birds.csv", b"x\n1\n", {"delimiter": "no such"}, "UnscorableFile", "option delimiter is 'no such'"),
        ("penguins/birds.csv", b"x\n1\n", {"color": "red"}, "UnscorableFile", "unknown option 'color'"),
    ],
)
def test_a_file_that_no_retry_can_cure_gets_a_report_that_says_why(
    aws: Aws, function: Function, key: str, body: bytes, metadata: dict[str, str], code: str, error: str
) -> None:
    aws.put(body, key, **metadata)

    reply = function.handle(aws.message(aws.notification(key, size=len(body))))

    report = aws.report(key)
    assert reply == {"batchItemFailures": []}
    assert error in report["error"]
    assert (report["status"], report["code"], report["retry"], report["outputs"]) == ("failed", code, False, {})
    assert list(aws.results()) == [f"{key}.report.json"]
    (notice,) = aws.notices()
    assert (notice["detail-type"], notice["detail"]["code"]) == ("File failed", code)


def test_a_file_with_too_many_rejects_fails_and_its_rejects_are_kept(
    aws: Aws, function: Function, birds: bytes
) -> None:
    aws.put(birds, reject_threshold="0")

    function.handle(aws.notification())

    report = aws.report()
    assert (report["status"], report["code"], report["retry"]) == ("failed", "TooManyRejects", False)
    assert "1 of 12 rows were rejected" in report["error"]
    assert report["rows"]["rejected"] == 1
    assert sorted(aws.results()) == ["penguins/birds.csv.rejects.jsonl", "penguins/birds.csv.report.json"]
    assert json.loads(aws.result("rejects.jsonl"))["field"] == "body_mass_g"


@pytest.mark.parametrize("name", ["été 2026/birds+more (north).csv", "100% & more=1?.csv", "鳥/🐧.csv", "a//b/./c.csv"])
def test_any_key_is_understood(aws: Aws, function: Function, birds: bytes, name: str) -> None:
    key = f"penguins/{name}"
    etag = aws.put(birds, key)

    function.handle(aws.notification(key, etag))

    assert aws.report(key)["status"] == "scored"
    assert aws.report(key)["input"]["key"] == key
    assert len(aws.results()) == 3


@pytest.mark.parametrize(("length", "status"), [(1010, "scored"), (1011, "failed"), (1012, "failed"), (1024, "failed")])
def test_a_key_whose_results_would_pass_what_s3_takes_is_refused(
    aws: Aws, function: Function, birds: bytes, length: int, status: str
) -> None:
    key = "penguins/é".ljust(length - 5, "x") + ".csv"
    assert len(key.encode()) == length
    aws.put(birds, key)

    (outcome,) = function.handle(aws.notification(key))["reports"]

    report = json.loads(aws.s3.get_object(Bucket="results", Key=outcome["report"])["Body"].read())
    assert report["status"] == outcome["status"] == status
    assert len(outcome["report"].encode()) <= 1024
    if status == "failed":
        assert "S3 takes 1,024" in report["error"]
        (notice,) = aws.notices()
        assert notice["detail"]["report"]["key"] == outcome["report"]
    # a second delivery finds the report where it is
    assert function.handle(aws.notification(key))["reports"][0]["status"] == "duplicate"
