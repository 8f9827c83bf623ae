"""What a network's named feature maps are, without computing them."""

import dataclasses
from typing import Any

import flax.linen as nn

from cnn_evolution.analysis.cost import bill
from cnn_evolution.analysis.graph import trace
from cnn_evolution.analysis.receptive_field import fields


@dataclasses.dataclass(frozen=True)
class FeatureInfo:
    """One named feature map (N, H, W, C), or vector (N, C).

    Attributes:
      stride: Pixels of the image from one position of the map to the next; (rows, columns) where they differ. None
        for a vector, which has no positions.
      channels: Its channels, C.
    """

    stride: int | tuple[int, int] | None
    channels: int


def feature_info(
    model: nn.Module, input_size: int | tuple[int, int], *, channels: int = 3, **call: Any
) -> dict[str, FeatureInfo]:
    """Stride and channels of every endpoint, in the order in which endpoints are computed.

    Strides are those of the windows that the map has passed (`receptive_fields`), not the quotient of two sizes, which
    padding changes.

    Args:
      model: Any Linen module that stores maps in the collection "endpoints".
      input_size: H and W of the images in pixels.
      channels: Channels of the images.
      **call: Further keyword arguments of the module's call, for example `train=False`.

    Raises:
      TypeError: `model` is no Linen module.
      ValueError: The network cannot take such images, or does something whose receptive field is not known.
    """
    graph = trace(model, input_size, channels=channels, **call)
    strides = {name: field.stride for name, field in fields(graph).items()}
    return {
        name: FeatureInfo(_one(strides.get(name, (0, 0))), graph.shapes[value].shape[-1])
        for name, value in graph.endpoints.items()
    }


def parameters_by_endpoint(
    model: nn.Module, input_size: int | tuple[int, int], *, channels: int = 3, **call: Any
) -> dict[str, tuple[str, ...]]:
    """Paths of the parameters that every endpoint depends on and the one before does not, in their order.

    Those of a classifier after the last endpoint, and of auxiliary classifiers, belong to none.

    Args and errors are those of `cost`.
    """
    graph = trace(model, input_size, channels=channels, **call)
    stages = bill(graph).stages()
    owners = {layer.name: name for name, part in stages.items() for layer in part.layers if layer.parameters}
    found: dict[str, list[str]] = {name: [] for name in graph.endpoints}
    for path in graph.parameters:
        name = owners.get(path.rpartition("/")[0] or path)
        if name in found:
            found[name].append(path)
    return {name: tuple(paths) for name, paths in found.items()}


def _one(stride: tuple[int, int]) -> int | tuple[int, int] | None:
    rows, columns = stride
    return (rows or None) if rows == columns else stride
