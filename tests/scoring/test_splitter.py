"""A stream → blocks → records: nothing is lost, records are those of the csv module, damage spoils its line alone."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from despliegue.scoring import records
from despliegue.scoring.records import Oversized, Splitter

TEXTS = st.text(st.sampled_from("ab1 ,;\"'\n\r\té✓"), max_size=12)
TABLES = st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(TEXTS, min_size=width, max_size=width), min_size=1))
PIECES = [b'"', b'"', b",", b"\n", b"\r\n", b"\r", b"a", b"bc", b'""', b"'", b"\xff", b"\0", b",,", b" ", b"x" * 20]
QUOTING = [csv.QUOTE_MINIMAL, csv.QUOTE_ALL]
GARBAGE = st.lists(st.sampled_from(PIECES), max_size=60).map(b"".join)


class Source(io.BytesIO):
    """Gives at most so many bytes at a time."""

    def __init__(self, data: bytes, most: int) -> None:
        super().__init__(data)
        self._most = most

    def read(self, size: int | None = -1) -> bytes:
        return super().read(min(size or 0, self._most))


@pytest.fixture(scope="module", autouse=True)
def _small_blocks() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "MAX_RECORD", 48)
        patch.setattr(records, "_RAW_KEPT", 10)
        yield patch


def blocks(data: bytes, block: int, quote: bytes = b'"', most: int = 1 << 20) -> list[bytes | Oversized]:
    return list(Splitter(quote, b",").blocks(Source(data, most), block))


@given(st.binary(max_size=300) | GARBAGE, st.integers(1, 64), st.sampled_from([b"", b'"', b"'"]))
@settings(max_examples=400, deadline=None)
def test_blocks_are_the_input(data: bytes, block: int, quote: bytes) -> None:
    found = blocks(data, block, quote)

    at = 0
    for each in found:
        if isinstance(each, Oversized):
            assert each.beginning == data[at : at + 10]
            assert each.size > 48
            assert data.find(b"\n", at) + 1 in (0, at + each.size)
            at += each.size
        else:
            assert each == data[at : at + len(each)]
            assert each.endswith(b"\n") or at + len(each) == len(data)
            at += len(each)
    assert at == len(data)


@given(GARBAGE, st.integers(1, 64), st.integers(1, 7))
@settings(max_examples=200, deadline=None)
def test_blocks_do_not_depend_on_how_the_source_gives_its_bytes(data: bytes, block: int, most: int) -> None:
    assert blocks(data, block) == blocks(data, block, most=most)


@given(GARBAGE)
@settings(max_examples=400, deadline=None)
def test_records_are_the_lines_of_a_block_or_several(data: bytes) -> None:
    found = Splitter(b'"', b",").records(data)

    assert all(found)
    assert b"".join(found).translate(None, b"\r\n") == data.translate(None, b"\r\n")


@given(TABLES, st.sampled_from(["\n", "\r\n"]), st.sampled_from(QUOTING), st.integers(60, 200))
@example([['5"', 'x\ny"']], "\r\n", csv.QUOTE_MINIMAL, 60)
@settings(max_examples=400, deadline=None)
def test_records_are_those_of_the_csv_module(table: list[list[str]], end: str, quoting: Any, block: int) -> None:
    written = io.StringIO()
    csv.writer(written, lineterminator=end, quoting=quoting).writerows(table)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "MAX_RECORD", 1 << 20)
        found = [
            record
            for each in blocks(written.getvalue().encode(), block)
            if isinstance(each, bytes)
            for record in Splitter(b'"', b",").records(each)
        ]

    assert [next(csv.reader(io.StringIO(record.decode(), newline=""))) for record in found] == table


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("odd", [b'5" pipe,x', b'x,5" pipe', b'a"b"c,d'])
def test_a_quote_within_a_field_leaves_quoted_fields_whole(end: bytes, odd: bytes) -> None:
    rows = [b'a,"two\nlines"', odd, b'"x\r\ny",b', b'"q""\n""q","z"', b"c,d"]

    found = Splitter(b'"', b",").records(end.join([*rows, b""]))

    assert found == rows


@pytest.mark.parametrize("size", [48, 49, 100, 500])
def test_a_line_too_long_is_told_by_its_beginning_and_size(size: int) -> None:
    data = b"a,b\n" + b"x" * (size - 1) + b"\nc,d\n"

    found = blocks(data, 4)

    assert b"".join(each for each in found if isinstance(each, bytes)).endswith(b"c,d\n")
    if size > 52:
        assert Oversized(b"x" * 10, size) in found


def test_rows_of_quotes_are_split_in_linear_time(benchmark_seconds: Callable[[bytes], float]) -> None:
    for piece in (b'"', b'""', b'","', b'x,"\n', b'"a""b\n', b'"\n"x\n', b'a,"b""\n', b'"a,"b"\n'):
        once, twice = benchmark_seconds(piece * 20_000), benchmark_seconds(piece * 80_000)
        assert twice < 12 * once + 0.1, piece


@pytest.fixture
def benchmark_seconds() -> Callable[[bytes], float]:
    """Measures how long data takes to be split, in seconds of this process."""
    import time

    def seconds(data: bytes) -> float:
        began = time.process_time()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(records, "MAX_RECORD", 1 << 20)
            splitter = Splitter(b'"', b",")
            for each in splitter.blocks(io.BytesIO(data)):
                splitter.records(each) if isinstance(each, bytes) else None
        return time.process_time() - began

    return seconds
