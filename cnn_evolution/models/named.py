"""Analyses of a network that is a name, with its published size, or a module."""

from typing import Any

import flax.linen as nn

from cnn_evolution import analysis
from cnn_evolution.analysis import Cost, FeatureInfo, ReceptiveField
from cnn_evolution.models.registry import create_model, model_info

Size = int | tuple[int, int]


def cost(
    model: str | nn.Module, input_size: Size | None = None, *, batch_size: int = 1, channels: int = 3, **call: Any
) -> Cost:
    """Counts what a network costs without running it or allocating anything.

    Args:
      model: A name from `list_models`, or any Linen module that maps images to arrays.
      input_size: H and W of the images in pixels; one number for both; None for the published size.
      batch_size: Number of images.
      channels: Channels of the images.
      **call: Further keyword arguments of the module's call, for example `train=False`.

    Raises:
      TypeError: `model` is neither a name nor a Linen module.
      ValueError: There is no such name, or the network cannot take such images.
    """
    return analysis.cost(*_network(model, input_size), batch_size=batch_size, channels=channels, **call)


def receptive_fields(
    model: str | nn.Module, input_size: Size | None = None, *, channels: int = 3, **call: Any
) -> dict[str, ReceptiveField]:
    """What every endpoint sees of the image, in the order in which endpoints are computed.

    Args:
      model: A name from `list_models`, or any Linen module that stores maps in the collection "endpoints".
      input_size: H and W of the images in pixels; one number for both; None for the published size.
      channels: Channels of the images.
      **call: Further keyword arguments of the module's call, for example `train=False`.

    Raises:
      TypeError: `model` is neither a name nor a Linen module.
      ValueError: There is no such name, the network cannot take such images, or does something whose receptive field
        is not known.
    """
    return analysis.receptive_fields(*_network(model, input_size), channels=channels, **call)


def feature_info(model: str | nn.Module, input_size: Size | None = None, **options: Any) -> dict[str, FeatureInfo]:
    """Stride and channels of every endpoint, in the order in which they are computed, without computing them.

        >>> feature_info("resnet50")["stage4"]
        FeatureInfo(stride=32, channels=2048)

    Args:
      model: A name from `list_models`, or any Linen module that stores maps in the collection "endpoints".
      input_size: H and W of the images in pixels; one number for both; None for the published size.
      **options: Of a name, options of `create_model`.

    Raises:
      TypeError: `model` is neither a name nor a Linen module.
      ValueError: As `receptive_fields`, or an option is unknown.
    """
    return analysis.feature_info(*_network(model, input_size, **options))


def _network(model: Any, input_size: Size | None, **options: Any) -> tuple[nn.Module, Size]:
    if isinstance(model, str):
        size = model_info(model).input_size if input_size is None else input_size
        smaller = size if isinstance(size, int) else min(size)
        return create_model(model, input_size=smaller, **options).clone(name=model), size
    if not isinstance(model, nn.Module):
        what = model.__name__ + ", a class" if isinstance(model, type) else f"of type {type(model).__name__}"
        raise TypeError(f"model is {what}; expected a name from list_models() or an instance of flax.linen.Module")
    if options:
        raise ValueError(f"{', '.join(options)}: a module has its options already; expected none, or a name")
    if input_size is None:
        raise ValueError(f"input_size is missing; {type(model).__name__} is a module, which states no published size")
    return model, input_size
