"""What a model takes and gives, read off its ONNX graph."""

from collections.abc import Iterable, Mapping
from typing import Final, Protocol, Self

import msgspec

from despliegue.errors import NotSupported
from despliegue.models.datatypes import DATATYPES, Datatype, of_ort_type

IMAGES: Final = ("image/jpeg", "image/png")
"""The media types that a graph with onnxruntime-extensions' decoder reads."""
_MAPS: Final = ("seq(map(int64,tensor(float)))", "seq(map(string,tensor(float)))")


class NodeArg(Protocol):
    """The part of onnxruntime's `NodeArg` that is read here; the names are its own."""

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def type(self) -> str: ...  # noqa: D102

    @property
    def shape(self) -> list[int | str | None]: ...  # noqa: D102


class TensorSpec(msgspec.Struct, frozen=True):
    """One input or output of a model.

    Attributes:
        name: as in the graph.
        datatype: its tensor type.
        shape: a dimension each; -1 where the graph leaves it open. Empty for a scalar, and where the graph is silent:
            ONNX Runtime does not tell the two apart.
        symbols: a name for each dimension, where the graph has one; else None.
        optional: the graph has an initialiser for it, so that a request may leave it out.
        maps: the graph gives a sequence of maps (ZipMap), which is served as a matrix: a row each, a column a key.
    """

    name: str
    datatype: Datatype
    shape: tuple[int, ...]
    symbols: tuple[str | None, ...] = ()
    optional: bool = False
    maps: bool = False

    @classmethod
    def read(cls, node: NodeArg, *, optional: bool = False) -> Self:
        """The spec of one graph input or output.

        Raises:
            NotSupported: the type is no tensor, or one that the protocol cannot express.
        """
        if node.type in _MAPS:
            return cls(node.name, DATATYPES["FP32"], (-1, -1), (None, None), optional, maps=True)
        datatype = of_ort_type(node.type)
        if datatype is None:
            raise NotSupported(f"'{node.name}' is of type {node.type}, which is not served", subject=node.name)
        shape = tuple(size if isinstance(size, int) and size >= 0 else -1 for size in node.shape)
        symbols = tuple(size if isinstance(size, str) else None for size in node.shape)
        return cls(node.name, datatype, shape, symbols, optional)

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of `shape` can be fed here: the same rank, and every fixed dimension equal.

        Where the graph may be silent about the rank, any shape does, and ONNX Runtime judges.
        """
        if not self.shape:
            return True
        if len(shape) != len(self.shape):
            return False
        for fixed, came in zip(self.shape, shape, strict=True):  # noqa: SIM110 – a generator takes longer, at each request
            if fixed not in (-1, came):
                return False
        return True


class Signature:
    """A model's inputs and outputs, by name, in the graph's order.

    Attributes:
        inputs: a spec each.
        outputs: a spec each.
        required: names of the inputs that every request must give.
        media_types: what the only input is the bytes of one of, where it is an image's; empty for other models.
    """

    def __init__(
        self, inputs: dict[str, TensorSpec], outputs: dict[str, TensorSpec], media_types: tuple[str, ...] = ()
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.required = tuple(name for name, spec in inputs.items() if not spec.optional)
        self.media_types = media_types

    @classmethod
    def read(
        cls,
        inputs: Iterable[NodeArg],
        outputs: Iterable[NodeArg],
        optional: Iterable[NodeArg] = (),
        *,
        decodes: bool = False,
    ) -> Self:
        """The signature of a graph.

        Args:
            inputs: the graph's.
            outputs: the graph's.
            optional: its overridable initialisers.
            decodes: it has onnxruntime-extensions' operators: then one open vector of bytes is an image.

        Raises:
            NotSupported: one of them has a type that is not served.
        """
        specs = [TensorSpec.read(node) for node in inputs]
        specs += [TensorSpec.read(node, optional=True) for node in optional]
        if maps := next((spec for spec in specs if spec.maps), None):
            raise NotSupported(f"'{maps.name}' takes maps, which is not served", subject=maps.name)
        is_image = decodes and [(spec.datatype.name, spec.shape) for spec in specs] == [("UINT8", (-1,))]
        return cls(
            {spec.name: spec for spec in specs},
            {node.name: TensorSpec.read(node) for node in outputs},
            IMAGES if is_image else (),
        )

    def conflict(self, shapes: Mapping[str, tuple[int, ...]]) -> str:
        """What is wrong where inputs differ in a dimension that the graph gives one name; empty where nothing is."""
        sizes: dict[str, tuple[str, int]] = {}
        for name, shape in shapes.items():
            for symbol, size in zip(self.inputs[name].symbols, shape, strict=False):
                first, expected = sizes.setdefault(symbol, (name, size)) if symbol else (name, size)
                if size != expected:
                    return f"input '{name}': dimension {symbol} is {size}, but input '{first}' has {expected}"
        return ""
