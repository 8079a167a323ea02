"""A row that cannot be read is rejected with its number, its reason and its text; all others are scored, in order."""

import io
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from despliegue.models import Model
from despliegue.scoring import Counts, Options, Scoring

type Score = Callable[..., Any]


def test_ragged_rows_are_rejected(score: Score) -> None:
    done = score("sum", "a,b\n1,2\n1\n1,2,3\n,\n3,4\n")

    assert done.column("prediction") == ["3.0", "7.0"]
    assert [(reject["row"], reject["field"], reject["reason"]) for reject in done.rejects] == [
        (2, None, "the row has 1 fields; expected 2"),
        (3, None, "the row has 3 fields; expected 2"),
        (4, "a", "feature 'a' is null; expected a number"),
    ]


@pytest.mark.parametrize("place", [0, 1000, 2500])
@pytest.mark.parametrize("broken", ['x,"unclosed', '"unclosed', '"unclosed,x', 'x,"un""closed', 'x,"un" closed'])
@pytest.mark.parametrize("quoted", [False, True])
def test_an_unclosed_quote_rejects_its_line_alone(score: Score, place: int, broken: str, quoted: bool) -> None:
    rows = [f'"s{at}","t{at}"' if quoted else f"s{at},t{at}" for at in range(2500)]
    rows.insert(place, broken)

    done = score("texts", "\n".join(["s,t", *rows]))

    (reject,) = done.rejects
    assert (reject["row"], reject["raw"]) == (place + 1, broken)
    assert "the row is not valid CSV" in reject["reason"]
    assert done.column("os") == [f"s{at}" for at in range(2500)]


def test_an_unclosed_quote_far_from_the_end_rejects_its_line_alone(score: Score) -> None:
    rows = "s,t\n" * 700_000

    done = score("texts", f'{rows[:2_000_000]}x,"unclosed\n{rows}')

    assert done.counts.rejected == 1
    assert done.rejects[0]["row"] == 500_000
    assert done.counts.scored == 499_999 + 700_000


def test_invalid_utf_8_rejects_its_row_alone(score: Score) -> None:
    done = score("texts", b"s,t\n" + b"a,b\n" * 50 + b"caf\xe9,x\n" + "café,x\n".encode())

    assert done.counts.scored == 51
    assert done.rejects == [
        {"row": 51, "field": None, "reason": "the row is not valid UTF-8: byte 0xe9 at 3", "raw": "caf\\xe9,x"}
    ]


@pytest.mark.parametrize("row", ["1\r,2", "\r,2", "1,\r2"])
def test_a_carriage_return_within_a_row_rejects_it(score: Score, row: str) -> None:
    done = score("same", "a,b\n" + "1,2\n" * 40 + f"{row}\n1,2\n")

    assert [reject["row"] for reject in done.rejects] == [41]
    assert done.counts.scored == 41


def test_nul_bytes_are_text_and_no_numbers(score: Score) -> None:
    filler = "1,2,x\n" * 20_000

    done = score("sum", f"a,b,x\n{filler}1,2,\0\n1\0,2,x\n1,2,x\n")

    assert [reject["row"] for reject in done.rejects] == [20_002]
    assert done.lines[20_001] == "1,2,\0,3.0"


def test_where_every_row_is_rejected_the_file_fails(score: Score) -> None:
    done = score("sum", "a,b\nx,1\ny,2\n")

    assert done.error == "every one of 2 rows was rejected; the rejects say why"
    assert done.counts == Counts(2, 0, 2)
    assert [reject["raw"] for reject in done.rejects] == ["x,1", "y,2"]


@pytest.mark.parametrize(
    ("threshold", "fails"),
    [("0.25", False), ("25%", False), ("0.2499", True), ("0", True), ("24.9%", True), ("1", False), ("0.26", False)],
)
def test_the_threshold_is_the_most_that_may_be_rejected(score: Score, threshold: str, fails: bool) -> None:
    done = score("sum", "a,b\n1,2\n3,4\nx,1\n5,6\n", reject_threshold=threshold)

    assert ("1 of 4 rows were rejected" in done.error) is fails
    assert done.counts == Counts(4, 3, 1)
    assert len(done.rejects) == 1, "the rejects are whole either way"


def test_a_threshold_of_nothing_lets_a_clean_file_pass(score: Score) -> None:
    assert score("sum", "a,b\n1,2\n", reject_threshold="0").error == ""
    assert score("sum", "a,b\n", reject_threshold="0").error == ""


class Endless(io.RawIOBase):
    """A table with a line of 100 MB in it, made while it is read."""

    def __init__(self, before: bytes, line: bytes, after: bytes) -> None:
        self._parts: Iterator[bytes] = iter([before, *[line] * 100, after])
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        while len(self._rest) < size and (part := next(self._parts, None)):
            self._rest += part
        given, self._rest = self._rest[:size], self._rest[size:]
        return given


MEGABYTE = 1_000_000


@pytest.mark.parametrize(
    ("model", "name", "before", "part", "after", "raw"),
    [
        ("sum", "x.csv", b"a,b\n1,2\n", b"7" * MEGABYTE, b"\n3,4\n", b"777"),
        ("sum", "x.csv", b"a,b\n1,2\n", b"7" * MEGABYTE, b"", b"777"),
        ("texts", "x.csv", b's,t\n1,2\nx,"', b"y" * MEGABYTE, b"\n3,4\n", b'x,"yyy'),
        ("same", "x.jsonl", b'{"a":1}\n{"a":"', b"y" * MEGABYTE, b'"}\n{"a":2}\n', b'{"a":"yyy'),
    ],
)
def test_a_line_of_100_mb_is_rejected_in_flat_memory(
    scored_models: Callable[[str], Model], model: str, name: str, before: bytes, part: bytes, after: bytes, raw: bytes
) -> None:
    rejects, output = io.BytesIO(), io.BytesIO()
    tracemalloc.start()

    scoring = Scoring.open(scored_models(model), name, Endless(before, part, after), Options())  # type: ignore[arg-type]
    counts = scoring.run(output, rejects)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert counts == Counts(3 if after else 2, 2 if after else 1, 1)
    assert rejects.getvalue().startswith(b'{"row":2,"field":null,"reason":"the row is 100,000,')
    assert raw.replace(b'"', b'\\"') in rejects.getvalue()
    assert len(rejects.getvalue()) < 2_000
    assert peak < 8 * MEGABYTE
