"""bfloat16 ↔ ONNX Runtime: numpy has no such type, so arrays hold its bits as uint16."""

import ctypes
from typing import Any, Final

import numpy as np
import onnxruntime as ort

_ONNX_BFLOAT16: Final = 16
"""`TensorProto.DataType.BFLOAT16` of onnx.proto."""


def to_ort(bits: np.ndarray[Any, Any]) -> ort.OrtValue:
    """The bfloat16 tensor whose bits are in `bits`, uint16 of any shape."""
    return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(np.asarray(bits, order="C"), _ONNX_BFLOAT16)


def from_ort(value: ort.OrtValue) -> Any:
    """The array of `value`; of a bfloat16 tensor its bits, uint16, which ONNX Runtime hands out by address only."""
    if value.data_type() != "tensor(bfloat16)":
        return value.numpy()
    shape = value.shape()
    size = int(np.prod(shape))
    if not size:
        return np.zeros(shape, np.uint16)
    return np.array((ctypes.c_uint16 * size).from_address(value.data_ptr()), np.uint16).reshape(shape)
