"""gzip and zstd: read whatever wrote them, written the same each time, and refused where they are damaged or a bomb."""

import gzip
import io
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from backports import zstd

from despliegue.models import Model
from despliegue.scoring import Counts, Options, Scoring, compression

type Score = Callable[..., Any]
type Pack = Callable[[bytes], bytes]

PACK: dict[str, Pack] = {"gz": gzip.compress, "zst": zstd.compress}
UNPACK: dict[str, Pack] = {"gz": gzip.decompress, "zst": zstd.decompress}
TEXT = b"a,b\n" + b"".join(b"%d,%d\n" % (at, at + 1) for at in range(100_000))


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize(
    ("data", "name", "suffix"),
    [
        (b"a,b\n1,2\n3,x\n", "x.csv", ".csv"),
        (b"a,b\n1,2\n3,x\n", "x", ".csv"),
        (b"1\t2\n3\tx\n", "x.TSV", ".tsv"),
        (b'{"a":1,"b":2}\n{"a":1}\n', "x.jsonl", ".jsonl"),
        (b'{"a":1,"b":2}\n{"a":1}\n', "x", ".jsonl"),
        (b"\xef\xbb\xbfa,b\r\n1,2\r\n", "x.txt", ".txt"),
    ],
)
def test_packed_is_scored_as_it_is_plain(score: Score, packing: str, data: bytes, name: str, suffix: str) -> None:
    plain = score("sum", data, name)

    packed = score("sum", PACK[packing](data), f"{name}.{packing}")

    assert UNPACK[packing](packed.output) == plain.output
    assert (packed.rejects, packed.counts) == (plain.rejects, plain.counts)
    assert packed.suffix == f"{suffix}.{packing}"
    assert packed.facts["compression"] == {"gz": "gzip", "zst": "zstd"}[packing]


@pytest.mark.parametrize("packing", PACK)
def test_several_members_are_one_file(score: Score, packing: str) -> None:
    parts = [TEXT[:3], TEXT[3:300_001], b"", TEXT[300_001:]]

    done = score("sum", b"".join(map(PACK[packing], parts)), "x.csv")

    assert done.counts == Counts(100_000, 100_000, 0)


@pytest.mark.parametrize("packing", PACK)
def test_the_same_bytes_come_out_each_time(score: Score, packing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = score("sum", PACK[packing](TEXT), "x.csv").output
    monkeypatch.setattr("time.time", lambda: 2e9)

    assert score("sum", PACK[packing](TEXT), "y.csv").output == first
    assert packing != "gz" or first[4:8] == bytes(4), "no time is in its header"


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize("kept", [0.3, 0.99, 0.99999])
def test_what_is_cut_short_is_said(score: Score, packing: str, kept: float) -> None:
    packed = PACK[packing](TEXT)

    done = score("sum", packed[: int(len(packed) * kept)], "x.csv")

    assert "data is damaged or cut short" in done.error
    assert done.counts is None


@pytest.mark.parametrize("packing", PACK)
def test_what_is_cut_within_its_first_bytes_is_said(score: Score, packing: str) -> None:
    for size in range(4, 12):
        assert "data is damaged or cut short from its beginning" in score("sum", PACK[packing](TEXT)[:size]).error


@pytest.mark.parametrize("damage", [lambda data: data[:5000] + b"\xff" * 50 + data[5050:], lambda data: data + b"more"])
def test_corrupt_gzip_is_said(score: Score, damage: Pack) -> None:
    assert "the gzip data is damaged or cut short" in score("sum", damage(gzip.compress(TEXT))).error


def test_a_wrong_checksum_is_said(score: Score) -> None:
    packed = gzip.compress(TEXT)

    assert "CRC check failed" in score("sum", packed[:-8] + b"\0" * 4 + packed[-4:]).error


@pytest.mark.parametrize("packing", PACK)
def test_packed_nothing_is_an_empty_file(score: Score, packing: str) -> None:
    assert "the file is empty" in score("sum", PACK[packing](b""), "x.csv").error


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (gzip.compress(gzip.compress(TEXT)), "the file is no text"),
        (gzip.compress(b"PAR1xxxxPAR1"), "the file is Parquet within gzip or zstd"),
        (zstd.compress(b"PK\x03\x04xxxx"), "a zip archive or an Excel workbook"),
    ],
)
def test_what_is_no_text_within_is_said(score: Score, data: bytes, says: str) -> None:
    assert says in score("sum", data, "x.csv.gz").error


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize(("line", "free"), [(b"1,2\n", 1_000_000), (b"7", compression.FREE_BYTES)])
def test_a_bomb_is_refused_in_little_memory(
    score: Score, packing: str, line: bytes, free: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compression, "FREE_BYTES", free)
    packer: Any = zlib.compressobj(9, wbits=31) if packing == "gz" else zstd.ZstdCompressor()
    data = packer.compress(b"a,b\n1,2\n")
    data += b"".join(packer.compress(line * (1_000_000 // len(line))) for _ in range(free // 500_000)) + packer.flush()
    tracemalloc.start()

    done = score("sum", data, "x.csv")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert "data unpacks to more than 200 times its size" in done.error
    assert len(data) < free // 300
    assert peak < 30_000_000


def test_the_source_raises_what_is_its_own(scored_models: Callable[[str], Model]) -> None:
    class Gone(OSError):
        pass

    class Source(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 100_000:
                raise Gone
            return super().read(size)

    for packing in PACK:
        source = Source(PACK[packing](TEXT) + PACK[packing](TEXT))
        with pytest.raises(Gone):
            Scoring.open(scored_models("sum"), "x.csv", source, Options()).run(io.BytesIO(), io.BytesIO())
