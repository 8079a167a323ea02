"""Large requests find the memory of the last one."""

import subprocess
import sys
from pathlib import Path

SECONDS = 60
FAULTS = """
import resource, sys
from pathlib import Path
import orjson
from despliegue.http import InferenceService, Request
from despliegue.http.memory import keep_freed_memory
from despliegue.models import ModelRepository

if "kept" in sys.argv:
    keep_freed_memory()
service = InferenceService(ModelRepository(Path(sys.argv[1])))
data = [at / 7 for at in range(10_000 * 30)]
body = {"inputs": [{"name": "input", "shape": [10_000, 30], "datatype": "FP32", "data": data}]}
text = orjson.dumps(body)
for asked in range(6):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    # A body of its own each time, as from a socket.
    assert service.handle(Request("POST", "/v2/models/breast-cancer/infer", body=bytes(bytearray(text)))).status == 200
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(root: Path, *options: str) -> int:
    """Page faults of the sixth request of ten thousand rows."""
    command = [sys.executable, "-c", FAULTS, str(root / "layers/models"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_a_large_request_takes_its_memory_from_the_last_one(root: Path) -> None:
    assert 3 * faults(root, "kept") < faults(root)  # what is left is a block larger than glibc keeps
