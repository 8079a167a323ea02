"""The tensor types: ONNX Runtime's name, the Open Inference Protocol's name and numpy's, side by side.

Source: Open Inference Protocol V2, "Tensor Data Types"; onnxruntime's `NodeArg.type`.
"""

from typing import Final, NamedTuple

import numpy as np


class Datatype(NamedTuple):
    """One tensor type.

    Attributes:
        name: the protocol's name, such as `FP32`.
        dtype: numpy's; strings are arrays of `object` holding `str`, bfloat16 arrays of `uint16` holding its bits.
    """

    name: str
    dtype: np.dtype[np.generic]

    @property
    def in_json(self) -> bool:
        """Whether JSON can carry it: numpy has no bfloat16, which travels as its bits, binary only (as with Triton)."""
        return self.name != "BF16"

    @property
    def kind(self) -> str:
        """The kind that numpy gives it: b(ool), i(nteger), u(nsigned), f(loat) or O(bject: strings)."""
        return self.dtype.kind


_BY_ORT_TYPE: Final = {
    "tensor(bool)": Datatype("BOOL", np.dtype(np.bool_)),
    "tensor(uint8)": Datatype("UINT8", np.dtype(np.uint8)),
    "tensor(uint16)": Datatype("UINT16", np.dtype(np.uint16)),
    "tensor(uint32)": Datatype("UINT32", np.dtype(np.uint32)),
    "tensor(uint64)": Datatype("UINT64", np.dtype(np.uint64)),
    "tensor(int8)": Datatype("INT8", np.dtype(np.int8)),
    "tensor(int16)": Datatype("INT16", np.dtype(np.int16)),
    "tensor(int32)": Datatype("INT32", np.dtype(np.int32)),
    "tensor(int64)": Datatype("INT64", np.dtype(np.int64)),
    "tensor(float16)": Datatype("FP16", np.dtype(np.float16)),
    "tensor(bfloat16)": Datatype("BF16", np.dtype(np.uint16)),
    "tensor(float)": Datatype("FP32", np.dtype(np.float32)),
    "tensor(double)": Datatype("FP64", np.dtype(np.float64)),
    "tensor(string)": Datatype("BYTES", np.dtype(np.object_)),
}

DATATYPES: Final = {datatype.name: datatype for datatype in _BY_ORT_TYPE.values()}
"""Every datatype that is served, by its name in the protocol."""


def of_ort_type(ort_type: str) -> Datatype | None:
    """The datatype of an onnxruntime type such as `tensor(float)`; None where the protocol cannot express it."""
    return _BY_ORT_TYPE.get(ort_type)
