"""`despliegue score` as a person or a script runs it: files and pipes, its summary, and what it leaves behind."""

import gzip
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from arro3.core import Array, DataType, Table
from arro3.io import write_parquet

type Run = Callable[..., subprocess.CompletedProcess[bytes]]

SECONDS = 60
FEATURES = "island,bill_length_mm,bill_depth_mm,flipper_length_mm,body_mass_g,sex"
BIRD = "Torgersen,39.1,18.7,181,3750,male"
BIRDS = f"id,{FEATURES}\n1,{BIRD}\n2,Dream,,,,,\n3,Biscoe,x,1,1,1,male\n".encode()
SCORED_HEADER = f"id,{FEATURES},label,probability_Adelie,probability_Chinstrap,probability_Gentoo".encode()


def command(*arguments: str | Path) -> list[str]:
    return [str(Path(sys.executable).parent / "despliegue"), "score", "--model", "penguins", *map(str, arguments)]


@pytest.fixture
def run(root: Path, tmp_path: Path) -> Run:
    """Runs `despliegue score --model penguins …` on the models that are shipped."""

    def call(*arguments: str | Path, data: bytes | None = None, **options: Any) -> subprocess.CompletedProcess[bytes]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.run(command(*arguments), cwd=root, input=data, timeout=SECONDS, check=False, **pipes)

    return call


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    path = tmp_path / "birds.csv"
    path.write_bytes(BIRDS)
    return path


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def many(rows: int) -> bytes:
    """Birds with quotes, line breaks and a bad row now and then."""
    lines = [
        f'"{at}, ""x""\n",{"Torgersen,39.1,18.7,181,bad,male" if at % 1000 == 7 else BIRD}\n' for at in range(rows)
    ]
    return f"id,{FEATURES}\n{''.join(lines)}".encode()


def test_a_file_is_scored_beside_its_rejects_and_its_report(run: Run, birds: Path, tmp_path: Path) -> None:
    done = run(birds, tmp_path / "out.csv")

    assert done.returncode == 0, done.stderr
    assert files(tmp_path) == {"birds.csv", "out.csv", "out.csv.rejects.jsonl", "out.csv.report.json"}
    assert (tmp_path / "out.csv").read_bytes().splitlines()[0] == SCORED_HEADER
    (reject,) = map(json.loads, (tmp_path / "out.csv.rejects.jsonl").read_bytes().splitlines())
    assert (reject["row"], reject["field"]) == (3, "bill_length_mm")
    report = json.loads((tmp_path / "out.csv.report.json").read_bytes())
    assert (report["status"], report["rows"]) == ("scored", {"read": 3, "scored": 2, "rejected": 1})
    assert report["outputs"]["scored"] == {
        "path": str(tmp_path / "out.csv"),
        "size": (tmp_path / "out.csv").stat().st_size,
    }
    assert done.stdout.startswith(b"3 rows read, 2 scored, 1 rejected\nscored   ")
    assert done.stderr == b""


def test_json_prints_the_report(run: Run, birds: Path, tmp_path: Path) -> None:
    done = run(birds, tmp_path / "out.csv", "--json")

    assert json.loads(done.stdout) == json.loads((tmp_path / "out.csv.report.json").read_bytes())
    assert run(birds, "-", "--json").returncode == 2


def test_rejects_are_written_even_where_there_are_none(run: Run, tmp_path: Path) -> None:
    (tmp_path / "birds.csv").write_bytes(BIRDS[: BIRDS.index(b"3,Biscoe")])

    run(tmp_path / "birds.csv", tmp_path / "out.csv")

    assert (tmp_path / "out.csv.rejects.jsonl").read_bytes() == b""


def test_options_are_those_of_the_library(run: Run, birds: Path, tmp_path: Path) -> None:
    done = run(
        birds, tmp_path / "out.csv", "--id", "id", "--delimiter", "comma", "--header", "--reject-threshold", "50%"
    )
    alone = run(birds, "-", "--no-join")

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.csv").read_bytes().startswith(b"id,label,probability_Adelie")
    assert alone.stdout.startswith(b"label,probability_Adelie")
    assert run(birds, "-", "--reject-threshold", "2").stderr.startswith(b"error: option reject-threshold is '2'")


def test_pipes_both_ways(run: Run) -> None:
    done = run("-", "-", data=BIRDS)

    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == SCORED_HEADER
    assert len(done.stdout.splitlines()) == 3
    reject, summary = done.stderr.splitlines()
    assert json.loads(reject)["row"] == 3
    assert summary.startswith(b"3 rows read, 2 scored, 1 rejected")


def test_a_packed_pipe_is_packed_again(run: Run) -> None:
    done = run("-", "-", data=gzip.compress(BIRDS))

    assert gzip.decompress(done.stdout) == run("-", "-", data=BIRDS).stdout


def parquet(rows: int) -> bytes:
    numbers = np.random.default_rng(1).normal(50, 20, (rows, 4))
    columns = {name: Array.from_numpy(numbers[:, at].copy()) for at, name in enumerate(FEATURES.split(",")[1:5])}
    texts = {
        "island": Array([None if at % 500 == 3 else "Dream" for at in range(rows)], type=DataType.string()),
        "sex": Array(["male"] * rows, type=DataType.string()),
        "id": Array.from_numpy(np.arange(rows)),
    }
    file = io.BytesIO()
    write_parquet(Table.from_pydict({**texts, **columns}), file, max_row_group_size=10_000)
    return file.getvalue()


@pytest.mark.parametrize("name", ["birds.csv", "birds.csv.gz", "birds.jsonl", "birds.parquet", "-"])
def test_workers_write_the_same_bytes(run: Run, tmp_path: Path, name: str) -> None:
    match name:
        case "birds.parquet":
            data = parquet(50_000)
        case "birds.jsonl":
            keys = FEATURES.split(",")
            row = json.dumps(dict(zip(keys, ["Dream", 39.1, 18.7, None, 3750, "male"], strict=True)))
            data = (f"{row}\n" * 700 + '{"island": 1}\n').encode() * 25
        case _:
            data = many(40_000)
    if name != "-":
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    source = "-" if name == "-" else tmp_path / name

    done = [
        run(source, tmp_path / f"out{number}", "--workers", str(number), data=data if name == "-" else None)
        for number in (1, 2)
    ]

    assert [each.returncode for each in done] == [0, 0], done
    for suffix in ("", ".rejects.jsonl"):
        assert (tmp_path / f"out1{suffix}").read_bytes() == (tmp_path / f"out2{suffix}").read_bytes()
    assert len(data) > 1_000_000
    assert name == "birds.parquet" or (tmp_path / "out1.rejects.jsonl").stat().st_size > 1_000


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"a,b\n1,2\n", b"none of the file's columns is a feature: expected 'island'"),
        (b"", b"the file is empty"),
        (gzip.compress(many(20_000))[:-9], b"the gzip data is damaged or cut short after"),
    ],
)
def test_a_file_at_fault_leaves_a_report_alone(
    run: Run, tmp_path: Path, data: bytes, says: bytes, workers: str
) -> None:
    (tmp_path / "in").write_bytes(data)

    done = run(tmp_path / "in", tmp_path / "out.csv", "--workers", workers)

    assert done.returncode == 1
    assert says in done.stdout
    assert files(tmp_path) == {"in", "out.csv.report.json"}
    report = json.loads((tmp_path / "out.csv.report.json").read_bytes())
    assert report["status"] == "failed"
    assert says.decode() in report["error"]


def test_too_many_rejects_keep_the_rejects(run: Run, birds: Path, tmp_path: Path) -> None:
    done = run(birds, tmp_path / "out.csv", "--reject-threshold", "10%")

    assert done.returncode == 1
    assert b"1 of 3 rows were rejected" in done.stdout
    assert files(tmp_path) == {"birds.csv", "out.csv.rejects.jsonl", "out.csv.report.json"}
    report = json.loads((tmp_path / "out.csv.report.json").read_bytes())
    assert report["rows"] == {"read": 3, "scored": 2, "rejected": 1}
    assert list(report["outputs"]) == ["rejects"]


def test_paths_that_cannot_be_are_one_clear_line(run: Run, birds: Path, tmp_path: Path) -> None:
    (tmp_path / "x.report.json").mkdir()
    (tmp_path / "link.csv").symlink_to(birds)
    for source, output, says in [
        (tmp_path / "none.csv", tmp_path / "out.csv", "there is no file"),
        (birds, tmp_path / "no" / "out.csv", "there is no folder"),
        (birds, birds, "INPUT and OUTPUT are the same file"),
        (birds, tmp_path / "link.csv", "INPUT and OUTPUT are the same file"),
        (birds, tmp_path, "is a folder; expected a file's name"),
        (birds, tmp_path / "x", "is a folder; expected a file's name"),
        (birds, Path("/dev/null"), "is a device or a pipe; expected a file's name, or -"),
    ]:
        done = run(source, output)

        assert done.returncode == 1
        assert done.stderr.startswith(b"error: ")
        assert says in done.stderr.decode()
        assert done.stderr.count(b"\n") == 1
    assert files(tmp_path) == {"birds.csv", "link.csv", "x.report.json"}
    assert birds.read_bytes() == BIRDS


def test_an_input_is_never_overwritten_by_rejects(run: Run, birds: Path, tmp_path: Path) -> None:
    birds.rename(tmp_path / "out.csv.rejects.jsonl")

    assert b"INPUT and OUTPUT are the same file" in run(tmp_path / "out.csv.rejects.jsonl", tmp_path / "out.csv").stderr


def test_a_failed_run_leaves_nothing_of_an_earlier_one(run: Run, birds: Path, tmp_path: Path) -> None:
    run(birds, tmp_path / "scored.csv")
    assert (tmp_path / "scored.csv").is_file()
    (tmp_path / "empty.csv").touch()

    done = run(tmp_path / "empty.csv", tmp_path / "scored.csv")

    assert done.returncode == 1
    assert files(tmp_path) == {"birds.csv", "empty.csv", "scored.csv.report.json"}


def test_a_column_that_is_not_there_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "birds.csv").write_text("island,sex\nDream,male\n")

    done = run(tmp_path / "birds.csv", tmp_path / "scored.csv")

    assert (
        b"no column for bill_length_mm, bill_depth_mm, flipper_length_mm, body_mass_g: taken as missing" in done.stderr
    )
