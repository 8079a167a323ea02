"""An object as a file, read and written: against moto, over HTTP."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from despliegue.aws.s3_streams import (
    PART,
    SMALL_WINDOW,
    SMALL_WINDOWS,
    WINDOW,
    MultipartWriter,
    RangedReader,
    Superseded,
)

if TYPE_CHECKING:
    from tests.score.conftest import Aws

KEY = "penguins/file"


@pytest.fixture(scope="module")
def body() -> bytes:
    return random.Random(0).randbytes(6 * WINDOW + 12_345)


def gets(aws: Aws) -> int:
    return len([call for call in aws.server.calls if call.method == "GET"])


def read_in_pieces(reader: RangedReader, size: int) -> bytes:
    return b"".join(iter(lambda: reader.read(size), b""))


@pytest.mark.parametrize("size", [100_000, WINDOW, WINDOW + 1, -1])
def test_a_file_read_in_order_is_fetched_window_by_window(aws: Aws, body: bytes, size: int) -> None:
    etag = aws.put(body, KEY)

    with RangedReader(aws.s3, "inbox", KEY, etag, len(body)) as reader:
        assert read_in_pieces(reader, size) == body
        assert reader.tell() == len(body)
    assert gets(aws) == 7


def test_small_reads_back_and_forth_do_not_each_become_a_call(aws: Aws, body: bytes) -> None:
    etag = aws.put(body, KEY)
    columns = [at * 400_000 for at in range(30)]

    with RangedReader(aws.s3, "inbox", KEY, etag, len(body)) as reader:
        for step in range(100):
            for column in columns:
                at = column + step * 4_000
                assert reader.seek(at) == at
                assert reader.read(4_000) == body[at : at + 4_000]
        assert reader.seek(-7, 2) == len(body) - 7
        assert reader.read() == body[-7:]
        assert reader.read(1) == b""
    assert gets(aws) < 2 * len(body) / SMALL_WINDOW


def test_a_reader_that_jumps_everywhere_still_reads_right(aws: Aws, body: bytes) -> None:
    etag = aws.put(body, KEY)
    chance = random.Random(1)

    with RangedReader(aws.s3, "inbox", KEY, etag, len(body)) as reader:
        for _ in range(300):
            at, size = chance.randrange(len(body)), chance.randrange(2 * SMALL_WINDOW)
            reader.seek(at)
            assert reader.read(size) == body[at : at + size]
    assert gets(aws) > SMALL_WINDOWS / 2


def test_a_buffer_is_filled(aws: Aws, body: bytes) -> None:
    buffer = bytearray(100)
    with RangedReader(aws.s3, "inbox", KEY, aws.put(body, KEY), len(body)) as reader:
        assert reader.readinto(buffer) == 100
    assert buffer == body[:100]


def test_an_object_of_another_etag_is_superseded(aws: Aws, body: bytes) -> None:
    etag = aws.put(body, KEY)
    aws.put(body[1:], KEY)

    with RangedReader(aws.s3, "inbox", KEY, etag, len(body)) as reader, pytest.raises(Superseded):
        reader.read(1)


@pytest.mark.parametrize("size", [0, 1, PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 1])
@pytest.mark.parametrize("step", [999_983, 3 * PART])
def test_what_is_written_is_there_and_its_etag_depends_on_the_bytes_alone(aws: Aws, size: int, step: int) -> None:
    body = random.Random(2).randbytes(size)

    with MultipartWriter(aws.s3, "results", KEY, "text/csv") as writer:
        for at in range(0, size, step):
            writer.write(body[at : at + step])
        etag = writer.finish()
    with MultipartWriter(aws.s3, "results", f"{KEY}-2", "text/csv") as writer:
        writer.write(body)
        again = writer.finish()

    found = aws.s3.get_object(Bucket="results", Key=KEY)
    assert found["Body"].read() == body
    assert (found["ETag"].strip('"'), found["ContentType"], writer.size) == (etag, "text/csv", size)
    assert etag == again
    assert ("-" in etag) == (size > PART)
    assert aws.uploads() == []


def write_and_fail(aws: Aws) -> None:
    with MultipartWriter(aws.s3, "results", KEY, "text/csv") as writer:
        writer.write(bytes(2 * PART + 1))
        assert aws.uploads() == [KEY]
        raise ZeroDivisionError


def test_what_is_not_finished_leaves_nothing(aws: Aws) -> None:
    with pytest.raises(ZeroDivisionError):
        write_and_fail(aws)

    assert aws.uploads() == []
    assert aws.results() == {}


def write_four_parts(aws: Aws) -> None:
    with MultipartWriter(aws.s3, "results", KEY, "text/csv") as writer:
        writer.write(bytes(4 * PART))
        writer.finish()


def test_a_part_that_s3_refuses_is_raised_and_nothing_is_left(aws: Aws) -> None:
    aws.server.rules.append(lambda call: 403 if call.method == "PUT" and "partNumber=2" in call.query else None)

    with pytest.raises(aws.s3.exceptions.ClientError, match="AccessDenied"):
        write_four_parts(aws)

    assert aws.uploads() == []
