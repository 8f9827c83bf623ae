"""Architectures by name: registering them, looking them up and building them."""

import difflib
import fnmatch
import functools
import numbers
from collections.abc import Iterable, Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from cnn_evolution import layers
from cnn_evolution.analysis.graph import trace
from cnn_evolution.models.spec import ModelSpec

_SPECS: dict[str, ModelSpec] = {}  # in order of registration


def register(spec: ModelSpec) -> None:
    """Makes an architecture known by its name, in every function that takes one.

    Registering an equal specification again does nothing.

    Raises:
      TypeError: if `spec` is no `ModelSpec`.
      ValueError: if another architecture has the name; says in what they differ.
    """
    if not isinstance(spec, ModelSpec):
        raise TypeError(f"spec is of type {type(spec).__name__}; expected a ModelSpec")
    differences = _SPECS.setdefault(spec.name, spec).differences(spec)
    if differences:
        what = "; ".join(f"{field} is {known!r}, not {new!r}" for field, (known, new) in differences.items())
        raise ValueError(f"there is another model {spec.name!r}, whose {what}; expected a name that is not taken")


def list_models(pattern: str = "*", *, family: str | None = None, year: int | None = None) -> list[str]:
    """Names of architectures, in order of history; those that were registered elsewhere follow.

    Args:
      pattern: A shell pattern such as `"resnet*"`.
      family: Only this family, for example `"ResNet"`; upper and lower case are the same.
      year: Only architectures first published in this year.

    Raises:
      ValueError: if there is no such family.
    """
    specs: Iterable[ModelSpec] = _SPECS.values()
    if family is not None:
        families = list(dict.fromkeys(spec.family for spec in _SPECS.values()))
        if family.lower() not in map(str.lower, families):
            raise ValueError(f"no family {family!r}; there are {', '.join(families)}")
        specs = [spec for spec in specs if spec.family.lower() == family.lower()]
    return [
        spec.name for spec in specs if fnmatch.fnmatchcase(spec.name, pattern) and (year is None or spec.year == year)
    ]


def model_info(name: str) -> ModelSpec:
    """What is known of an architecture. Counts that were not stated are computed when they are read.

    Raises:
      ValueError: if there is no such name; names the nearest ones.
    """
    if name not in _SPECS:
        raise ValueError(f"no model {name!r}; {_nearest(name, _SPECS)} (list_models() has all {len(_SPECS)})")
    return _SPECS[name]


def create_model(
    name: str,
    *,
    num_classes: int | None = None,
    dtype: Any = jnp.float32,
    axis_name: str | None = None,
    width: float = 1.0,
    input_size: int | None = None,
    norm: Any = None,
    act: Any = None,
    until: str | None = None,
    **options: Any,
) -> nn.Module:
    """Builds an architecture's module, which maps images (N, H, W, 3) to logits (N, num_classes).

    Images that are too small for the published network (`ModelSpec.small_below`) enter at half the stride of the first
    convolution; nothing else depends on `input_size`.

    Args:
      name: A name from `list_models`.
      num_classes: Size of the last layer, None for the published one; 0 leaves it out, and the module returns the
        pre-logits (N, C).
      dtype: What the layers compute in; parameters are float32, logits at least.
      axis_name: Mapped axis over which batch normalisation averages its statistics; networks without batch
        normalisation take no notice of it.
      width: Factor on every number of channels, on top of the published network's own, rounded to multiples of 8.
      input_size: Side of the images in pixels; None for the published one.
      norm: Replaces every batch normalisation: called as `norm(train=..., dtype=..., name=...)`, it returns a module
        that maps arrays to arrays of the same shape, as `layers.group_norm(32)` does. None keeps the published one.
      act: Replaces every nonlinearity like ReLU, but no gate: a function of arrays. None keeps the published ones.
      until: An endpoint from `feature_info`: the module returns its map, (N, H, W, C) or (N, C), and what comes after
        it is not built. Such a network has no classifier, so `num_classes` must be None or 0.
      **options: Other arguments of the architecture's build, for example `dropout`, `aux_heads` or `depths`, which are
        the blocks of each stage.

    Raises:
      ValueError: if a name or option is unknown, or a value is not what is stated here; names what would be valid.
    """
    spec = model_info(name)
    _check_classes(num_classes, until)
    layers.scaled(width)  # raises if the width is not above 0
    if norm is not None:
        _check_norm(spec, norm)
        options["norm"] = norm
    if act is not None:
        if not callable(act):
            raise ValueError(f"act is {act!r}; expected a function of arrays, for example jax.nn.silu")
        options["act"] = act
    if width != 1:
        options["width"] = width * spec.default("width", 1.0)
    if input_size is not None:
        if input_size < spec.min_input_size:
            raise ValueError(f"input_size is {input_size}; {name} needs at least {spec.min_input_size} pixels")
        if spec.small_below is not None and input_size < spec.small_below:
            options.setdefault("stem_stride", spec.options["stem_stride"] // 2)
    common = {
        "num_classes": num_classes is not None,
        "dtype": jnp.dtype(dtype) != jnp.float32,
        "until": until is not None,
    }
    _check_options(spec, [*options, *(option for option, given in common.items() if given)])
    if "depths" in options and "features" not in options:  # which would give it other stages
        _check_depths(spec, options["depths"])
    build = functools.partial(spec.network, dtype=dtype, axis_name=axis_name, **options)
    if until is None:
        return build(num_classes=spec.num_classes if num_classes is None else num_classes)
    _check_endpoint(name, until, trace(build(num_classes=0), input_size or spec.input_size).endpoints)
    return build(num_classes=0, until=until)


def _check_classes(num_classes: Any, until: str | None) -> None:
    if num_classes is None:
        return
    if isinstance(num_classes, bool) or not isinstance(num_classes, numbers.Integral):
        raise ValueError(f"num_classes is {num_classes!r}; expected a whole number")
    if num_classes < 0:
        raise ValueError(f"num_classes is {num_classes}; expected a positive number, or 0 for the pre-logits")
    if until is not None and num_classes:
        raise ValueError(f"num_classes is {num_classes}; expected None or 0 with until, which leaves no classifier")


def _check_norm(spec: ModelSpec, norm: Any) -> None:
    if "norm" not in spec.options:
        raise ValueError(f"{spec.name} has no batch normalisation that norm could replace; expected None")
    layers.check_norm(norm)


def _check_options(spec: ModelSpec, options: Iterable[str]) -> None:
    for option in options:
        if option not in spec.options:
            valid = ", ".join(sorted(spec.options)) or "none"
            raise ValueError(f"{spec.name} has no option {option!r}; {_nearest(option, spec.options)} (it has {valid})")


def _check_depths(spec: ModelSpec, depths: Sequence[int]) -> None:
    """A build has channels for as many stages as are published."""
    stages = spec.default("depths", depths)
    if len(depths) != len(stages):
        raise ValueError(f"depths is {depths}; {spec.name} has {len(stages)} stages, of {stages} blocks")


def _check_endpoint(name: str, endpoint: str, endpoints: Iterable[str]) -> None:
    if endpoint not in endpoints:
        valid = ", ".join(endpoints) or "none"
        raise ValueError(f"{name} has no endpoint {endpoint!r}; {_nearest(endpoint, endpoints)} (it has {valid})")


def _nearest(word: str, valid: Iterable[str]) -> str:
    near = difflib.get_close_matches(word.lower(), list(valid), n=3, cutoff=0.4)
    return f"did you mean {', '.join(near)}?" if near else "nothing comes near"
