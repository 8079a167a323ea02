"""The rule: a changed model replaces the one before it only if it answers the same and there is less to load."""

import shutil
from collections.abc import Mapping
from itertools import count
from pathlib import Path

import onnx

from despliegue.errors import DespliegueError
from despliegue.models import Model, SessionSettings, TensorSpec
from despliegue.models.model import FILE_NAME, Array
from despliegue_cli.convert.messages import one_line
from despliegue_cli.packages.improve.comparing import difference, identical, predict, rows
from despliegue_cli.packages.improve.edits import Edit
from despliegue_cli.packages.improve.optimizing import CannotOptimize, optimize
from despliegue_cli.packages.improve.quantizing import Precision, quantize
from despliegue_cli.packages.improve.results import Accuracy, Step
from despliegue_cli.packages.improve.storage import complexity, external_files, load, store

_WORTH = 0.9
"""A quantised model has to be smaller by a tenth at least."""


class Trials:
    """A model and the changes that are tried on it, one after the other.

    Attributes:
        best: the folder of the model with all changes that were kept; at first the package itself.
        steps: what was tried.

    Args:
        folder: of the package; it is only read.
        arrays: the inputs on which answers are compared.
        scratch: an empty folder for what is tried.

    Raises:
        DespliegueError: the model cannot be loaded, or refuses `arrays`.
    """

    def __init__(self, folder: Path, arrays: Mapping[str, Array], scratch: Path) -> None:
        self.best = folder
        self.steps: list[Step] = []
        self._arrays = arrays
        self._scratch = scratch
        self._numbers = count()
        model = _load(folder)
        self._interface = _interface(model)
        self._expected = predict(model, arrays)

    def store(self) -> None:
        """Write it as all others are written, so that what they gain is theirs: large weights beside the graph."""
        model = load(self.best)
        before = external_files(onnx.load(self.best / FILE_NAME, load_external_data=False))
        candidate = self._write(model)
        after = external_files(model)
        name = "storage of weights"
        if bool(before) == bool(after):
            gain = complexity(self.best).gain(complexity(candidate))
        else:
            gain = "large ones beside the graph, mapped at load" if after else "few: in the graph"
        if gain:
            self._judge(candidate, name, gain)
        else:
            self._discard(candidate, name, "large ones are beside the graph" if after else "few: they are in the graph")

    def edit(self, name: str, edit: Edit) -> None:
        """Change the graph by one of `edits`."""
        model = load(self.best)
        edit(model)
        self._try(name, model)

    def optimize(self) -> None:
        """Fuse and fold as ONNX Runtime would at every load."""
        name = "optimised by ONNX Runtime (EXTENDED)"
        scratch = self._new()
        scratch.mkdir()
        try:
            self._try(name, optimize(self.best, scratch))
        except CannotOptimize as error:
            self.steps.append(Step(name, kept=False, why=str(error)))
        finally:
            shutil.rmtree(scratch)

    def quantize(self, precision: Precision, sample: Mapping[str, Array]) -> Accuracy:
        """Make weights smaller, last of all: ONNX Runtime's optimisation would make them large again.

        Args:
            precision: of the weights.
            sample: the inputs on which it is measured what that changes.

        Raises:
            DespliegueError: it cannot be done, is no smaller, or gives no numbers where there were some.
        """
        model = load(self.best)
        quantize(model, precision)
        candidate = self._write(model)
        before, after = complexity(self.best).size, complexity(candidate).size
        if after > before * _WORTH:
            raise DespliegueError(
                f"quantised to {precision} the model has {after:,} bytes instead of {before:,}, which is not worth a"
                " difference; leave --quantize out"
            )
        expected, outputs = (predict(_load(each), sample) for each in (self.best, candidate))
        accuracy = difference(expected, outputs, rows(sample))
        self._keep(candidate, f"quantised to {precision}", f"{before - after:,} bytes less")
        return accuracy

    def _try(self, name: str, model: onnx.ModelProto) -> None:
        candidate = self._write(model)
        gain = complexity(self.best).gain(complexity(candidate))
        if gain:
            self._judge(candidate, name, gain)
        else:
            self._discard(candidate, name, "nothing to gain")

    def _judge(self, candidate: Path, name: str, gain: str) -> None:
        try:
            model = _load(candidate)
            if _interface(model) != self._interface:
                problem = "its inputs or outputs would be others"
            else:
                problem = "" if identical(self._expected, predict(model, self._arrays)) else "its outputs would differ"
        except DespliegueError as error:
            problem = one_line(error)
        if problem:
            self._discard(candidate, name, problem)
        else:
            self._keep(candidate, name, gain)

    def _keep(self, candidate: Path, name: str, why: str) -> None:
        if self.best.parent == self._scratch:
            shutil.rmtree(self.best)
        self.best = candidate
        self.steps.append(Step(name, kept=True, why=why))

    def _discard(self, candidate: Path, name: str, why: str) -> None:
        shutil.rmtree(candidate)
        self.steps.append(Step(name, kept=False, why=why))

    def _write(self, model: onnx.ModelProto) -> Path:
        folder = self._new()
        store(model, folder)
        return folder

    def _new(self) -> Path:
        return self._scratch / str(next(self._numbers))


def _load(folder: Path) -> Model:
    """As it is served: with ONNX Runtime's own optimisation at load."""
    return Model.load(folder, "model", "1", SessionSettings())


def _interface(model: Model) -> tuple[list[TensorSpec], list[TensorSpec]]:
    """Inputs and outputs in their order, with the names of their dimensions."""
    return list(model.signature.inputs.values()), list(model.signature.outputs.values())
