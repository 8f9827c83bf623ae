"""The filters of a network's first convolution, and pictures of filters and maps side by side.

As Krizhevsky et al. 2012, Fig. 3, show AlexNet's: every filter as a small picture in colour, stretched to the full
range by itself.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import numpy as np
from flax import traverse_util
from numpy.typing import NDArray

from cnn_evolution.analysis.graph import trace

Pictures = NDArray[np.float32]


def first_filters(model: nn.Module, variables: Mapping[str, Any], input_size: int) -> tuple[str, NDArray[np.float32]]:
    """The filters of the first convolution that sees the image.

    Args:
      model: A Linen module that maps images to arrays.
      variables: Its variables.
      input_size: Side of its images in pixels.

    Returns:
      The kernel's path, and the filters (N, height, width, 3).

    Raises:
      ValueError: There is no such convolution, its filters are not in the variables, or they do not see three channels.
    """
    graph = trace(model, input_size)
    names = {value: path for path, value in graph.parameters.items()}
    seeing = {graph.image}  # the image, in another number type or padded
    path = None
    for op in graph.operations:
        if seeing.isdisjoint(op.inputs):
            continue
        if op.primitive == "conv_general_dilated":
            path = names.get(op.inputs[1])
            break
        seeing.update(op.outputs)
    if path is None:
        raise ValueError(f"{graph.name} has no first convolution with a kernel of its own")
    flat = traverse_util.flatten_dict(dict(variables.get("params", {})), sep="/")
    if path not in flat:
        first = ", ".join(list(flat)[:3]) or "no parameters"
        raise ValueError(f"there are no filters {path!r} in the variables, which hold {first}, ...")
    kernel = np.asarray(flat[path], np.float32)
    if kernel.ndim != 4 or kernel.shape[2] != 3:
        raise ValueError(f"{path} has the shape {kernel.shape}; expected filters that see three channels, (h, w, 3, N)")
    return path, kernel.transpose(3, 0, 1, 2)


def stretched(pictures: Pictures) -> Pictures:
    """Every picture of (N, height, width, ...) stretched to [0, 1] by itself; one without contrast becomes 0.5."""
    axes = tuple(range(1, pictures.ndim))
    low, high = pictures.min(axes, keepdims=True), pictures.max(axes, keepdims=True)
    contrast = high - low
    return np.where(contrast > 0, (pictures - low) / np.where(contrast > 0, contrast, 1), 0.5).astype(np.float32)


def tiled(pictures: Pictures, columns: int | None = None, *, enlarge: int = 1, gap: int = 1) -> Pictures:
    """Pictures (N, height, width, ...) in rows on white, (rows, columns, ...).

    Args:
      pictures: In [0, 1].
      columns: Pictures in a row; None makes the sheet as square as full rows allow.
      enlarge: Every pixel becomes a square of this side, without blur.
      gap: White pixels between pictures.
    """
    pictures = pictures.repeat(enlarge, axis=1).repeat(enlarge, axis=2)
    number, height, width, *channels = pictures.shape
    square = math.ceil(math.sqrt(number))
    columns = columns or next((n for n in range(square, 2 * square) if number % n == 0), square)
    rows = math.ceil(number / columns)
    sheet = np.ones((rows * (height + gap) - gap, columns * (width + gap) - gap, *channels), np.float32)
    for place, picture in enumerate(pictures):
        top, left = (place // columns) * (height + gap), (place % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = picture
    return sheet


def chosen_maps(features: Mapping[str, Any], endpoints: Sequence[str] = ()) -> dict[str, NDArray[np.float32]]:
    """Some endpoints' maps of the first image, (channels, height, width); all of more than a pixel if none is named.

    Raises:
      ValueError: There is no such endpoint, or it is no map.
    """
    maps = {name: np.asarray(x[0], np.float32) for name, x in features.items() if np.ndim(x) == 4}
    large = [name for name, x in maps.items() if x.shape[:2] != (1, 1)]
    for name in endpoints:
        if name not in maps:
            what = "is no map" if name in features else "does not exist"
            raise ValueError(f"the endpoint {name!r} {what}; there are {', '.join(maps)}")
    return {name: maps[name].transpose(2, 0, 1) for name in endpoints or large}
