"""What a reader hands out, and the mark of the rows of it that hold no image."""

from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

ABSENT = -1


class Batch(TypedDict):
    """The rows of a batch that belong to this process.

    image: uint8 (b, size, size, 3), RGB.
    label: int32 (b,); ABSENT where a row holds no image (zeros): in evaluation after the end of a split, and for a
        corrupt file.
    """

    image: NDArray[np.uint8]
    label: NDArray[np.int32]


def empty_batch(rows: int, size: int) -> Batch:
    """A batch of which every row is absent."""
    return {"image": np.zeros((rows, size, size, 3), np.uint8), "label": np.full(rows, ABSENT, np.int32)}


def present(labels: Any) -> Any:
    """Which rows hold an image: labels (N,), of NumPy or JAX -> bool (N,)."""
    return labels > ABSENT
