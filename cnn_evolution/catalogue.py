"""Looking architectures up by name, building them, and reading their features."""

import dataclasses
import difflib
import fnmatch
import functools
from collections.abc import Iterable, Mapping
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from cnn_evolution import layers
from cnn_evolution.models import MODELS
from cnn_evolution.spec import ModelSpec


def list_models(pattern: str = "*", *, family: str | None = None, year: int | None = None) -> list[str]:
    """Names in the catalogue, in order of history.

    Args:
      pattern: A shell pattern such as `"resnet*"`.
      family: Only this family, for example `"ResNet"`; upper and lower case are the same.
      year: Only architectures first published in this year.

    Raises:
      ValueError: if there is no such family.
    """
    specs: Iterable[ModelSpec] = MODELS.values()
    if family is not None:
        families = list(dict.fromkeys(spec.family for spec in MODELS.values()))
        if family.lower() not in map(str.lower, families):
            raise ValueError(f"no family {family!r}; there are {', '.join(families)}")
        specs = [spec for spec in specs if spec.family.lower() == family.lower()]
    return [
        spec.name for spec in specs if fnmatch.fnmatchcase(spec.name, pattern) and (year is None or spec.year == year)
    ]


def model_info(name: str) -> ModelSpec:
    """What the catalogue states about an architecture.

    Raises:
      ValueError: if there is no such name; names the nearest ones.
    """
    if name not in MODELS:
        raise ValueError(f"no model {name!r}; {_nearest(name, MODELS)} (list_models() has all {len(MODELS)})")
    return MODELS[name]


def create_model(
    name: str,
    *,
    num_classes: int | None = None,
    dtype: Any = jnp.float32,
    axis_name: str | None = None,
    width: float = 1.0,
    input_size: int | None = None,
    **options: Any,
) -> nn.Module:
    """Builds an architecture's module, which maps images (N, H, W, 3) to logits (N, num_classes).

    Images that are too small for the published network (`ModelSpec.small_below`) enter at half the stride of the first
    convolution; nothing else depends on `input_size`.

    Args:
      name: A name from `list_models`.
      num_classes: Size of the last layer, None for the published one; 0 leaves it out, and the module returns the
        pre-logits.
      dtype: What the layers compute in; parameters and logits are float32.
      axis_name: Mapped axis over which batch normalisation averages its statistics; networks without batch
        normalisation take no notice of it.
      width: Factor on every number of channels, rounded to multiples of 8.
      input_size: Side of the images in pixels; None for the published one.
      **options: Other fields of the architecture's module, for example `dropout`, `aux_heads` or `depths`, which are
        the blocks of each stage.

    Raises:
      ValueError: if a name or option is unknown, or a number is out of its range; names what would be valid.
    """
    spec = model_info(name)
    if num_classes is None:
        num_classes = spec.num_classes
    if num_classes < 0:
        raise ValueError(f"num_classes is {num_classes}; expected a positive number, or 0 for the pre-logits")
    layers.scaled(width)  # raises if the width is not above 0
    if input_size is not None:
        if input_size < spec.min_input_size:
            raise ValueError(f"input_size is {input_size}; {name} needs at least {spec.min_input_size} pixels")
        if spec.small_below is not None and input_size < spec.small_below:
            options.setdefault("stem_stride", _fields(spec)["stem_stride"].default // 2)
    fields = _fields(spec)
    for option in options:
        if option not in fields:
            raise ValueError(
                f"{name} has no option {option!r}; {_nearest(option, fields)} (it has {', '.join(sorted(fields))})"
            )
    if "axis_name" in fields:
        options["axis_name"] = axis_name
    own_width = spec.build.keywords.get("width", 1.0) if isinstance(spec.build, functools.partial) else 1.0
    model = spec.build(num_classes=num_classes, dtype=dtype, width=own_width * width, **options)
    if "depths" in options and "features" not in options:  # which would give it other stages
        stages = spec.build().depths
        if len(options["depths"]) != len(stages):
            raise ValueError(f"depths is {options['depths']}; {name} has {len(stages)} stages, of {stages} blocks")
    return model


def features(model: nn.Module, variables: Mapping[str, Any], images: Array) -> dict[str, Array]:
    """Named feature maps of a model from the catalogue, in the order in which they are computed.

    Args:
      model: A module from `create_model`.
      variables: Its variables.
      images: (N, H, W, 3).
    """
    _, state = model.apply(variables, images, mutable=["endpoints"])
    return dict(state["endpoints"])


def _fields(spec: ModelSpec) -> dict[str, Any]:
    """The options that an architecture's module takes."""
    module: Any = spec.build.func if isinstance(spec.build, functools.partial) else spec.build
    return {field.name: field for field in dataclasses.fields(module) if field.name not in {"name", "parent"}}


def _nearest(word: str, valid: Iterable[str]) -> str:
    near = difflib.get_close_matches(word.lower(), list(valid), n=3, cutoff=0.4)
    return f"did you mean {', '.join(near)}?" if near else "nothing comes near"
