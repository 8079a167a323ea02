"""Our HTTP server against its peers, and against the least that any can cost.

    python -m benchmarks.http [--rounds N] [--quick] [--json] [--save]

One worker and one thread of ONNX Runtime each, the same two models (a logistic regression, gradient boosting) and the
same rows of 30 numbers, in each server's own natural JSON, and in binary where it has that. What every server answers
is compared with the model's own predictions before anything is measured. benchmarks/http/peers says how each is
configured and why.

Servers have core 0 to themselves and the load comes from core 1; every server is started once a model and held still
(SIGSTOP) but while it is visited. A round visits all in random order. `rate` is requests a second at eight connections
and `rate per CPU` the same for each second of processor time, both as multiples of FastAPI's in the same round. p50 and
p99 are of one request at a time, p99 over the quieter half of the rounds. `own cost` is p50 less the p50 of an empty
ASGI application's reply to a request without a body, less `session.run`: so what the body costs to read is in it; the
row `empty ASGI, same body` tells how much that is under uvicorn. Start-up is from the spawn to the first reply, memory
is of all processes after everything.

It runs at the priority that it is given, and takes most of two cores while it runs. Where others work on the machine,
their noise is in the figures (`rate per CPU` has the least of it); on one that is yours alone,
`setsid --wait nice -n -20 python -m benchmarks.http` as root goes before whatever else wakes up.
"""

import os
import tempfile
from pathlib import Path

from benchmarks import report
from benchmarks.http import results
from benchmarks.http.contenders import BASELINE
from benchmarks.http.measure import CLIENT_CORE, SERVER_CORE, measure
from benchmarks.http.process import share_priority
from benchmarks.warm import model_folders

ROUNDS, QUICK_ROUNDS, STARTS = 16, 2, 4


def main() -> None:
    """The command."""
    options = report.arguments(__doc__, rounds=ROUNDS, quick=QUICK_ROUNDS)
    load = os.getloadavg()[0]
    share_priority(os.getpid())
    with tempfile.TemporaryDirectory(prefix="despliegue-http-") as folder:
        scratch = Path(folder)
        models = model_folders(scratch)
        measured = measure(models, options.rounds, 0 if options.quick else STARTS, scratch)
    figures = results.Figures(measured)
    tables = {"targets": results.targets(figures), "servers": results.servers(figures)}
    note = (
        f"load before the run {load:.1f}; {options.rounds} interleaved rounds, medians;"
        f" servers on core {SERVER_CORE}, the load on core {CLIENT_CORE}; × is times {BASELINE}"
    )
    report.show("http", results.table(figures, list(models)), options, note, tables, measured.versions)


if __name__ == "__main__":
    main()
