"""Images to compare a package with its original on: a sample's, and made-up ones that no one's data is in.

They are rows, [N, n]: the shorter files are filled up behind their ends, where no decoder looks.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from despliegue.errors import DespliegueError, InvalidRequest
from despliegue.models import Model
from despliegue.models.images import check_image, png
from despliegue.models.model import Array
from despliegue_cli.proof.rows import MOST_VALUES, Rows

_ENDINGS: Final = (".jpg", ".jpeg", ".png")
_SIDES: Final = (32, 49)
"""Pixels; the second is even in no way, and its images are twice as wide as high."""


def read_images(model: Model, folder: Path, limit: int) -> Rows:
    """The images in a folder and below it, by their paths, as many as there is room for.

    Raises:
        DespliegueError: the model takes none, or there is none that can be read.
    """
    if not model.media_types:
        raise DespliegueError(
            f"the sample {folder} is a folder, but the model takes no images; expected a table or npz"
        )
    files: list[bytes] = []
    places: list[str] = []
    skipped, reason, longest = 0, "", 0
    for path in sorted(each for each in folder.rglob("*") if each.suffix.lower() in _ENDINGS):
        place = path.relative_to(folder).as_posix()
        try:
            content = path.read_bytes()
            check_image(np.frombuffer(content, np.uint8))
        except (InvalidRequest, OSError) as error:
            skipped, reason = skipped + 1, reason or f"{place}: {error}"
            continue
        if len(files) == limit or max(longest, len(content)) * (len(files) + 1) > MOST_VALUES:
            break
        longest = max(longest, len(content))
        files.append(content)
        places.append(place)
    if not files:
        raise DespliegueError(f"the sample {folder} has no JPEG or PNG that can be read{reason and f': {reason}'}")
    return Rows(_column(model, files), tuple(places), np.zeros(len(files), bool), skipped, reason)


def made_up_images(model: Model) -> Rows:
    """Black, white, colours, a ramp and noise, in two sizes; the same every time."""
    files, places = [], []
    for side in _SIDES:
        height, width = side, side * (1 + side % 2)
        ramp = np.linspace(0, 255, width).astype(np.uint8)[None, :, None]
        drawn = {
            "black": np.zeros(3, np.uint8),
            "white": np.full(3, 255, np.uint8),
            "red": np.array([255, 0, 0], np.uint8),
            "green": np.array([0, 255, 0], np.uint8),
            "blue": np.array([0, 0, 255], np.uint8),
            "a ramp": ramp,
            "noise": np.random.default_rng(side).integers(0, 256, (height, width, 3), np.uint8),
        }
        for name, pixels in drawn.items():
            files.append(png(np.broadcast_to(pixels, (height, width, 3))))
            places.append(f"{name}, {width} × {height}")
    return Rows(_column(model, files), tuple(places), np.ones(len(files), bool))


def joined(sample: Rows, others: Rows) -> Rows:
    """A sample's images, then others, all as long as the longest."""
    [(name, ours)], [theirs] = sample.columns.items(), others.columns.values()
    length = max(ours.shape[1], theirs.shape[1])
    ours, theirs = (np.pad(each, ((0, 0), (0, length - each.shape[1]))) for each in (ours, theirs))
    whole = Rows({name: ours}, sample.places, sample.made_up, sample.skipped, sample.reason)
    return whole.with_more(Rows({name: theirs}, others.places, others.made_up))


def _column(model: Model, files: Sequence[bytes]) -> dict[str, Array]:
    [name] = model.signature.required
    length = max(map(len, files))
    return {name: np.frombuffer(b"".join(file.ljust(length, b"\0") for file in files), np.uint8).reshape(-1, length)}
