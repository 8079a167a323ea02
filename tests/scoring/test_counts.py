"""Whatever a file holds: each of its rows is scored or rejected, in order and once, or the file is refused in words."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from despliegue.errors import DespliegueError
from despliegue.scoring import Counts
from despliegue.scoring.records import Splitter

type Score = Callable[..., Any]

PIECES = ["a", "b", "a,b\n", ",", ",", "\n", "\n", "\r\n", "\r", '"', '""', "'", "1", "2.5", "nan", "-", "e3", " ", "x"]
PIECES += ["1,2\n", "3,4\r\n", '"5","6"\n', ";", "\t", "|", "\0", "\ufeff", "é", "9" * 40]
JSON_PIECES = ["{", "}", "[", "]", '"a":', '"b":', '"A" :', ",", "1", "2.5", "null", '"x"', "\n", "\n", " "]
JSON_PIECES += [
    "NaN",
    "true",
    '{"a":1,"b":2}\n',
    '{"a":1,"b":2,"x":{}}\n',
    "[1,2]\n",
    '"',
    "\\",
    "\\ud800",
    ":",
    "\0",
    "\r",
]


def texts(pieces: list[str]) -> st.SearchStrategy[bytes]:
    known = st.lists(st.sampled_from(pieces), max_size=40).map("".join).map(str.encode)
    return known | st.tuples(known, st.binary(max_size=30), known).map(b"".join)


@example(b"a\n\n", b"")
@example(b"\na", b"")
@given(texts(PIECES), st.sampled_from([b"", b"a,b\n", b"b,x,a\r\n", b'"a";"b"\n', b"1,2\n"]))
@settings(max_examples=500, deadline=None)
def test_any_bytes_as_csv(score: Score, data: bytes, start: bytes) -> None:
    data = start + data

    done = score("same", data, "x.csv")

    if done.counts is None:
        assert done.error
        assert done.output == b"" or "Parquet" in done.error
        return
    is_single = done.facts["columns"] == 1
    splitter = Splitter(done.facts["quote"].encode(), done.facts["delimiter"].encode(), blank=is_single)
    rows, found = splitter.records(data.removeprefix(b"\xef\xbb\xbf")), done.output.removeprefix(b"\xef\xbb\xbf")
    scored = splitter.records(found)
    if done.facts["header"]:
        rows, scored = after_header(rows), after_header(scored)
    check(done, rows, scored, done.facts["delimiter"].encode())


def after_header(lines: list[bytes]) -> list[bytes]:
    """The rows of a table: blank lines before its header are none, even where it has one column."""
    header = next((at for at, line in enumerate(lines) if line.strip()), len(lines))
    return lines[header + 1 :]


@given(texts(JSON_PIECES), st.sampled_from([b"", b'{"a":1,"b":2}\n', b"[1,2]\n"]))
@settings(max_examples=500, deadline=None)
def test_any_bytes_as_json_lines(score: Score, data: bytes, start: bytes) -> None:
    data = start + data

    done = score("same", data, "x.jsonl")

    if done.counts is None:
        assert done.error
        return
    rows = Splitter().records(data.removeprefix(b"\xef\xbb\xbf"))
    assert len(done.objects) == done.counts.scored
    check(done, rows, Splitter().records(done.output.removeprefix(b"\xef\xbb\xbf")), b"")


@pytest.mark.parametrize("name", ["x", "x.csv.gz", "x.csv.zst", "x.parquet"])
@given(st.sampled_from([b"", b"\x1f\x8b", b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd"]), st.binary(max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_bytes_as_anything(score: Score, name: str, start: bytes, data: bytes) -> None:
    done = score("same", start + data, name)

    assert done.error or done.counts.read == done.counts.scored + done.counts.rejected


def check(done: Any, rows: list[bytes], scored: list[bytes], after: bytes) -> None:
    """That the rows are those that were scored and those that were rejected, each in its place."""
    assert done.counts == Counts(len(rows), len(scored), len(done.rejects))
    rejected = {reject["row"]: reject for reject in done.rejects}
    assert list(rejected) == sorted(rejected)
    left = iter(scored)
    for number, row in enumerate(rows, 1):
        if number in rejected:
            assert rejected[number]["raw"] == row.decode(errors="backslashreplace")
            assert rejected[number]["reason"]
        else:
            line = next(left)
            assert line.startswith(row + after if after else row.rstrip()[:-1].rstrip())
    assert next(left, None) is None


def test_counts_that_do_not_add_up_are_a_fault_of_ours() -> None:
    with pytest.raises(DespliegueError, match="3 rows were read, but 1 scored and 1 rejected"):
        Counts(3, 1, 1).check()
    Counts(3, 1, 2).check()
