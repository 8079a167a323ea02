"""What one would write by hand: `python peers.py WAY MODEL INPUT OUTPUT THREADS join|bare`.

WAY is `pandas`, `polars`, `rows` (the csv module, a `session.run` a row) or `json` (the json module, 1,024 rows at a
time). MODEL is a folder with model.onnx and manifest.json. The output has the input's columns and the predictions, or
with `bare` the predictions alone. Prints JSON: rows, seconds from opening the file to closing the results, and the
process's largest resident memory in MB.
"""

import csv
import json
import sys
import time
from collections.abc import Iterator
from itertools import batched
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

PANDAS_CHUNK = 50_000
JSON_CHUNK = 1024


class Scorer:
    """A session, and what the columns are called."""

    def __init__(self, folder: Path, threads: int) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = ort.InferenceSession(folder / "model.onnx", options, providers=["CPUExecutionProvider"])
        manifest = json.loads((folder / "manifest.json").read_bytes())
        self.features = [feature["name"] for feature in manifest["features"]]
        self.columns = ["label", *(f"probability_{label}" for label in manifest["labels"])]

    def __call__(self, matrix: Any) -> dict[str, Any]:
        """The predictions' columns for float32 [N, K]."""
        label, probabilities = self.session.run(None, {"input": matrix})
        return dict(zip(self.columns, [label, *probabilities.T], strict=True))


def with_pandas(score: Scorer, source: Path, output: Path, *, join: bool) -> int:
    """A notebook's way: read a chunk, score it, append it."""
    import pandas as pd

    def scored(chunk: pd.DataFrame) -> pd.DataFrame:
        found = score(chunk[score.features].to_numpy(np.float32))
        return chunk.assign(**found) if join else pd.DataFrame(found)

    rows = 0
    if source.suffix == ".parquet":
        import pyarrow as pa  # type: ignore[import-not-found]
        import pyarrow.parquet as pq  # type: ignore[import-not-found]

        writer = None
        for batch in pq.ParquetFile(source).iter_batches(PANDAS_CHUNK):
            table = pa.Table.from_pandas(scored(batch.to_pandas()), preserve_index=False)
            writer = writer or pq.ParquetWriter(output, table.schema)
            writer.write_table(table)
            rows += len(table)
        if writer:
            writer.close()
        return rows
    with output.open("w", newline="") as file:
        for chunk in pd.read_csv(source, chunksize=PANDAS_CHUNK):
            scored(chunk).to_csv(file, header=rows == 0, index=False)
            rows += len(chunk)
    return rows


def with_polars(score: Scorer, source: Path, output: Path, *, join: bool) -> int:
    """Its streaming engine, from file to file."""
    import polars as pl  # type: ignore[import-not-found]

    sizes: list[int] = []

    def scored(frame: pl.DataFrame) -> pl.DataFrame:
        sizes.append(len(frame))  # not a sum, which several threads would add to at once
        found = score(frame.select(score.features).cast(pl.Float32).to_numpy(order="c"))
        added = [pl.Series(name, np.ascontiguousarray(values)) for name, values in found.items()]
        return frame.with_columns(added) if join else pl.DataFrame(added)

    scan = {".csv": pl.scan_csv, ".jsonl": pl.scan_ndjson, ".parquet": pl.scan_parquet}[source.suffix](source)
    schema = scan.collect_schema()
    example = scored(pl.DataFrame(schema=schema).clear(1)).schema
    sizes.clear()
    lazy = scan.map_batches(scored, schema=example, streamable=True)
    {".csv": lazy.sink_csv, ".jsonl": lazy.sink_ndjson, ".parquet": lazy.sink_parquet}[source.suffix](output)
    return sum(sizes)


def by_row(score: Scorer, source: Path, output: Path, *, join: bool) -> int:
    """The csv module, and a `session.run` for each row."""
    rows = 0
    with source.open(newline="") as lines, output.open("w", newline="") as file:
        reader, writer = csv.DictReader(lines), csv.writer(file)
        writer.writerow([*(reader.fieldnames or () if join else ()), *score.columns])
        for record in reader:
            matrix = np.array([[float(record[name]) for name in score.features]], np.float32)
            found = [values[0] for values in score(matrix).values()]
            writer.writerow([*(record.values() if join else ()), *found])
            rows += 1
    return rows


def with_json(score: Scorer, source: Path, output: Path, *, join: bool) -> int:
    """The json module, line by line."""
    rows = 0
    with source.open() as lines, output.open("w") as file:
        for chunk in batched(lines, JSON_CHUNK, strict=False):
            records = [json.loads(line) for line in chunk]
            matrix = np.array([[record[name] for name in score.features] for record in records], np.float32)
            for record, found in zip(records, _by_record(score(matrix)), strict=True):
                file.write(json.dumps({**record, **found} if join else found) + "\n")
            rows += len(records)
    return rows


def _by_record(columns: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for values in zip(*(column.tolist() for column in columns.values()), strict=True):
        yield dict(zip(columns, values, strict=True))


def main() -> None:
    """The command."""
    way, model, source, output, threads, kind = sys.argv[1:]
    score = Scorer(Path(model), int(threads))
    started = time.perf_counter()
    call = {"pandas": with_pandas, "polars": with_polars, "rows": by_row, "json": with_json}[way]
    rows = call(score, Path(source), Path(output), join=kind == "join")
    seconds = time.perf_counter() - started
    status = Path("/proc/self/status").read_text()
    kilobytes = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
    print(json.dumps({"rows": rows, "seconds": seconds, "rss_mb": kilobytes * 1024 / 1e6}))


if __name__ == "__main__":
    main()
