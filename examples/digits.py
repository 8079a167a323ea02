"""A model that takes images: logistic regression on 1,797 handwritten digits of 8 × 8 pixels.

Its graph decodes the image itself, with an operator of onnxruntime-extensions. Writes digits.onnx, ready for
`despliegue add`, and digits.png, one of the digits to try it with, to the folder it is run in:

    python examples/digits.py

The data comes with scikit-learn (UCI Machine Learning Repository, CC BY 4.0).
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import compose, parser
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from despliegue.models.images import png

SIDE = 8
OPSET = 21
# One image → one row of 64 values from 0 to 1. It may be grey (1 channel), in colours (3) or for print (4), and of any
# size; what is brighter is ink.
DECODING = f"""
<ir_version: 10, opset_import: ["": {OPSET}, "com.microsoft.extensions": 1]>
decoding (uint8[bytes] image) => (float[1, {SIDE * SIDE}] pixels)
<
    int64[1] channels = {{2}}, int64[2] one_image = {{0, 1}}, int64[4] sizes = {{1, 1, {SIDE}, {SIDE}}},
    int64[2] row = {{1, {SIDE * SIDE}}}, float white = {{255}}
>
{{
    decoded = com.microsoft.extensions.DecodeImage (image)
    values = Cast <to = 1> (decoded)
    grey = ReduceMean <keepdims = 0> (values, channels)
    images = Unsqueeze (grey, one_image)
    small = Resize <mode = "linear", antialias = 1> (images, , , sizes)
    flat = Reshape (small, row)
    pixels = Div (flat, white)
}}
"""


def load_data() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The pixels from 0 to 1, float32 [1797, 64], and which digit they are, int64 [1797]."""
    data = load_digits()
    return (data.data / 16).astype(np.float32), data.target


def split() -> list[np.ndarray[Any, Any]]:
    """Pixels to train with and to try, then the digits that they are."""
    parts: list[np.ndarray[Any, Any]] = train_test_split(*load_data(), random_state=0)
    return parts


def train() -> LogisticRegression:
    """The classifier, trained on three quarters of the data; the same every time."""
    pixels, _, digits, _ = split()
    return LogisticRegression(max_iter=1_000).fit(pixels, digits)


def convert(classifier: LogisticRegression) -> onnx.ModelProto:
    """The classifier behind the decoder: `image` UINT8 [bytes] → `label` INT64 [1], `probabilities` FP32 [1, 10]."""
    decoding = parser.parse_model(DECODING)
    classifying = convert_sklearn(
        classifier,
        name="digits",
        initial_types=[("input", FloatTensorType([None, SIDE * SIDE]))],
        final_types=[("label", None), ("probabilities", None)],
        options={"zipmap": False},
        target_opset={"": OPSET, "ai.onnx.ml": 3},
    )
    classifying.ir_version = decoding.ir_version
    model = compose.merge_models(decoding, classifying, io_map=[("pixels", "input")], name="digits")
    opsets = {opset.domain: opset for opset in model.opset_import}  # each comes once for either part
    del model.opset_import[:]
    model.opset_import.extend(opsets.values())
    return model


def picture(pixels: np.ndarray[Any, Any], scale: int = 16) -> bytes:
    """A PNG of a digit, each of its pixels so many wide and high."""
    grey = (pixels.reshape(SIDE, SIDE) * 255).round().astype(np.uint8).repeat(scale, 0).repeat(scale, 1)
    return png(np.repeat(grey[:, :, None], 3, axis=2))


def main() -> None:
    """Train, convert, write."""
    _, pixels, _, digits = split()
    onnx.save(convert(train()), "digits.onnx")
    Path("digits.png").write_bytes(picture(pixels[0]))
    print(f"wrote digits.onnx, and digits.png, which is a {digits[0]}")


if __name__ == "__main__":
    main()
