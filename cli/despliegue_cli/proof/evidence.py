"""What is known of a model before it is judged: rows of a sample and made-up ones, and what the original predicts."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from despliegue.models import Model
from despliegue_cli.convert import Converted, Reference
from despliegue_cli.convert.messages import RefusesEveryRow
from despliegue_cli.proof.images import joined, made_up_images
from despliegue_cli.proof.made_up import made_up
from despliegue_cli.proof.proof import Proof, prove
from despliegue_cli.proof.rows import Rows
from despliegue_cli.proof.sample import read_sample


@dataclass(frozen=True)
class Evidence:
    """Rows, and what the original predicts of them.

    Attributes:
        rows: those of the sample, if there is one, and made-up ones.
        reference: the original's predictions; None where there is no sample, and it knows none of the categories that
            were made up.
    """

    rows: Rows
    reference: Reference | None

    @classmethod
    def gather(cls, converted: Converted, model: Model, graph: Path, sample: Path | None) -> Self:
        """Read the sample, make rows up, and ask the original about all of them.

        Args:
            converted: the original.
            model: its package, as it is before anything is improved.
            graph: the package's ONNX file, for the categories and thresholds in it.
            sample: a file of rows, or a folder of images.

        Raises:
            DespliegueError: the sample cannot be read, or the original refuses every row or fails.
        """
        found = None if sample is None else read_sample(model, sample)
        invented = made_up_images(model) if model.media_types else made_up(model, found, graph)
        join = joined if model.media_types else Rows.with_more
        rows = invented if found is None else join(found, invented)
        try:
            return cls(rows, converted.predict(rows.columns))
        except RefusesEveryRow:
            if found is None:
                return cls(rows, None)
            raise

    @cached_property
    def asked(self) -> Rows:
        """The rows that the original predicts; all of them where nobody asked it."""
        return self.rows if self.reference is None else self.rows.pick(self.reference.accepted)

    @cached_property
    def sampled(self) -> Rows:
        """Those of `asked` that are of the sample."""
        asked = self.asked
        return asked.pick(~asked.made_up)

    @cached_property
    def of_sample(self) -> "Evidence":
        """This without the made-up rows; all of it where there is no sample."""
        wanted = ~self.rows.made_up
        if self.reference is None or not len(self.sampled):
            return self
        among = wanted[self.reference.accepted]
        outputs = {name: array[among] for name, array in self.reference.outputs.items()}
        reference = Reference(outputs, self.reference.accepted[wanted], self.reference.refusal)
        return Evidence(self.rows.pick(wanted), reference)

    def prove(self, model: Model, *, accept: bool) -> Proof | None:
        """Compare a package with the original; None where nobody asked that.

        Args:
            model: the package, loaded as it is served.
            accept: take it however it differs.

        Raises:
            DespliegueError: it differs.
        """
        if self.reference is None:
            return None
        proof = prove(model, self.rows, self.reference)
        proof.check(accept)
        return proof
