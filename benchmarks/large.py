"""A large model from load to first reply: the package that `despliegue add` leaves against the plain file.

Budget: ≤ 0.35 × the plain `.onnx`, with a graph that holds nothing of the processor it was made on.

    python -m benchmarks.large [--rounds N] [--quick] [--json] [--save]

The model has the layers and the 25.6 million parameters of a ResNet-50 (He et al., arXiv:1512.03385, table 1), with
random weights, as PyTorch exports it: a batch normalisation after each convolution, weights in the file. Each round
starts a process for each, which imports what the server imports and then loads the model and predicts one image of
224 × 224; the clock runs from the load to the reply, and the ratio is taken within a round. Memory is that process's
peak. `portable` says whether all operators of the package's graph are of ONNX and its contributed ones, none in a
layout of one processor (NCHWc).
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks import report

BUDGET = 0.35
_BLOCKS = ((64, 3), (128, 4), (256, 6), (512, 3))
"""Width and number of the bottlenecks of each stage."""


class _Graph:
    """Nodes and weights so far; each method adds a layer and gives the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._random = np.random.default_rng(0)

    def node(self, operator: str, inputs: list[str], **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def weight(self, values: np.ndarray) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def convolution(
        self, given: str, channels: tuple[int, int], kernel: int, stride: int = 1, gain: float = 1.0
    ) -> str:
        """A convolution from `channels[0]` to `channels[1]` and its batch normalisation, which scales by `gain`."""
        shape = (channels[1], channels[0], kernel, kernel)
        scale = (2 / (channels[0] * kernel**2)) ** 0.5
        weight = self.weight(self._random.normal(0, scale, shape))
        pads = [kernel // 2] * 4
        found = self.node("Conv", [given, weight], kernel_shape=[kernel] * 2, pads=pads, strides=[stride] * 2)
        one, zero = np.ones(channels[1]), np.zeros(channels[1])
        return self.node("BatchNormalization", [found, *map(self.weight, (gain * one, zero, zero, one))])

    def bottleneck(self, given: str, channels: int, width: int, stride: int) -> str:
        """Three convolutions and what they are added to."""
        inner = self.node("Relu", [self.convolution(given, (channels, width), 1)])
        inner = self.node("Relu", [self.convolution(inner, (width, width), 3, stride)])
        inner = self.convolution(inner, (width, 4 * width), 1, gain=0.2)  # small, as after training: no error grows
        if channels != 4 * width:
            given = self.convolution(given, (channels, 4 * width), 1, stride)
        return self.node("Relu", [self.node("Add", [inner, given])])


def save_resnet(path: Path) -> None:
    """Write the model, its weights in the file."""
    graph = _Graph()
    at = graph.node("Relu", [graph.convolution("image", (3, 64), 7, 2)])
    at = graph.node("MaxPool", [at], kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2])
    channels = 64
    for width, count in _BLOCKS:
        for number in range(count):
            at = graph.bottleneck(at, channels, width, 2 if number == 0 and width > 64 else 1)
            channels = 4 * width
    at = graph.node("Flatten", [graph.node("GlobalAveragePool", [at])])
    weights = graph.weight(np.random.default_rng(1).normal(0, 0.01, (1000, channels)))
    last = helper.make_node("Gemm", [at, weights, graph.weight(np.zeros(1000))], ["scores"], transB=1)
    made = helper.make_graph(
        [*graph.nodes, last],
        "resnet-50",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 224, 224])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 1000])],
        graph.weights,
    )
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path)


_CHILD = """
import sys, time, json
from pathlib import Path
from typing import Any
import numpy as np
from despliegue.models.model import Model, SessionSettings
image = np.random.default_rng(0).random((1, 3, 224, 224), np.float32)
started = time.perf_counter()
model = Model.load(Path(sys.argv[1]), "resnet", "1", SessionSettings(quick=True))
loaded = time.perf_counter()
scores = model.run({"image": image}, ["scores"])[0]
answered = time.perf_counter()
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([loaded - started, answered - started, peak * 1024 / 1e6, float(scores.sum())]))
"""


def measure(folders: dict[str, Path], rounds: int) -> dict[str, list[list[float]]]:
    """Seconds to load, seconds to the reply, MB at the peak and the sum of the scores, by what is loaded."""
    taken: dict[str, list[list[float]]] = {name: [] for name in folders}
    for turn in range(rounds + 1):  # the first fills the page cache
        for name, folder in folders.items():
            command = [sys.executable, "-c", _CHILD, str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            if turn:
                taken[name].append(json.loads(done.stdout))
    return taken


def main() -> None:
    """The command."""
    options = report.arguments(__doc__, rounds=15, quick=3)
    with tempfile.TemporaryDirectory(prefix="despliegue-large-") as scratch:
        plain = Path(scratch) / "plain"
        plain.mkdir()
        save_resnet(plain / "model.onnx")
        models = Path(scratch) / "models"
        add = [str(Path(sys.executable).parent / "despliegue"), "add", str(plain / "model.onnx"), "--name", "resnet"]
        started = time.perf_counter()
        subprocess.run([*add, "--models", str(models)], check=True, capture_output=True, cwd=scratch)
        took = time.perf_counter() - started
        package = models / "resnet/1"
        taken = measure({"plain": plain, "package": package}, options.rounds)
        operators = {(node.domain, node.op_type) for node in onnx.load(package / "model.onnx").graph.node}
    rows: list[report.Row] = []
    for name, samples in taken.items():
        ratios = [mine[1] / base[1] for mine, base in zip(samples, taken["plain"], strict=True)]
        load, reply, memory, _ = (statistics.median(column) for column in zip(*samples, strict=True))
        low, middle, high = statistics.quantiles(ratios, n=4)
        row: report.Row = {"model": name, "load ms": load * 1e3, "first reply ms": reply * 1e3, "ratio": middle}
        rows.append(row | {"quartiles": f"{low:.2f}–{high:.2f}", "peak MB": memory})
    sums = [samples[0][3] for samples in taken.values()]
    if not np.allclose(sums, sums[0], rtol=1e-3):
        raise RuntimeError(f"the package predicts something else: {sums}")
    portable = all(domain in ("", "ai.onnx.ml", "com.microsoft") and "nchwc" not in domain for domain, _ in operators)
    rows[-1]["portable"] = "yes" if portable else "no"
    goals = [report.target("load to first reply, × the plain .onnx", float(rows[-1]["ratio"] or 0), BUDGET)]
    note = f"{options.rounds} interleaved rounds, medians; added in {took:.0f} s"
    report.show("large", rows, options, note, {"targets": goals})


if __name__ == "__main__":
    main()
