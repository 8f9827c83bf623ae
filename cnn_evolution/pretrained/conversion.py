"""Strict conversion between a peer's state dict and Flax variables.

Every leaf of our variables must meet exactly one tensor of the peer's, of the shape that the layout says, and no tensor
may be left over. Names are translated by the family's table (`pretrained/tables/`). `num_batches_tracked` is a counter
of torch's batch normalisation and no weight: it is neither asked for nor written, and torch loads a state dict without
it.
"""

import dataclasses
import difflib
import functools
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax import traverse_util

from cnn_evolution.layers import scaled
from cnn_evolution.models import create_model, model_info
from cnn_evolution.pretrained.names import Names, translate
from cnn_evolution.pretrained.published import pretrained_weights
from cnn_evolution.pretrained.shapes import LEAVES, Layout, differences, layout
from cnn_evolution.pretrained.tables import names_of

log = logging.getLogger(__name__)
COUNTER = "num_batches_tracked"
_WRAPPERS = ("module.", "_orig_mod.")  # DataParallel and DistributedDataParallel, and torch.compile
ANY_CLASSES = 7919
"""A number of classes that is no other size of any network: it marks what depends on the number of classes."""


@dataclasses.dataclass(frozen=True)
class Leaf:
    """One of our arrays and the tensor that it is in the peer's state dict."""

    path: tuple[str, ...]
    shape: tuple[int, ...]
    key: str
    layout: Layout

    @property
    def of_classes(self) -> bool:
        return ANY_CLASSES in self.shape

    @property
    def torch_shape(self) -> tuple[int, ...]:
        return self.layout.to_torch(np.broadcast_to(np.float32(0), self.shape)).shape


def from_torch(
    name: str, state_dict: Mapping[str, Any], *, source: str | None = None, **options: Any
) -> dict[str, Any]:
    """Flax variables from a peer's state dict.

    Args:
      name: A name of the catalogue.
      state_dict: Arrays, or tensors on the CPU, by the peer's names.
      source: The zoo whose names these are: "torchvision", "timm" or "pytorchcv"; None for `default_source(name)`.
      **options: Options of `create_model` that the weights were made for, for example `aux_heads=False`. The number of
        classes is read off the weights.

    Returns:
      `{"params": ..., "batch_stats": ...}`, float32 NumPy arrays that share no memory with the state dict.

    Raises:
      ValueError: if the zoo has no such network, or if keys are missing, unused or of the wrong shape; all are named.
    """
    flat = views_of_torch(name, state_dict, source or default_source(name), **options)
    return traverse_util.unflatten_dict({path: np.array(view, np.float32) for path, view in flat.items()})


def views_of_torch(
    name: str, state_dict: Mapping[str, Any], source: str, **options: Any
) -> dict[tuple[str, ...], np.ndarray]:
    """The same by path, as views of the state dict's arrays, of their types, wherever a view has the layout.

    Raises:
      ValueError: As `from_torch`.
    """
    names, state_dict = _names(name, source), _unwrapped(state_dict)
    weights = {names.present(key): value for key, value in state_dict.items() if not key.endswith(COUNTER)}
    leaves = correspondence(name, source, **options)
    classes = [weights[leaf.key].shape[0] for leaf in leaves if leaf.of_classes and leaf.key in weights]
    leaves = _with_classes(leaves, classes, name)
    problems = differences(
        {leaf.key: leaf.torch_shape for leaf in leaves}, {key: tuple(value.shape) for key, value in weights.items()}
    )
    if problems:
        lines = "\n  ".join(problems)
        raise ValueError(f"these are not {source}'s weights of {name}; {len(problems)} keys differ:\n  {lines}")
    return {leaf.path: leaf.layout.from_torch(np.asarray(weights[leaf.key])) for leaf in leaves}


def _unwrapped(state_dict: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without the prefixes that torch's wrappers give to every key, which is said."""
    for prefix in _WRAPPERS:
        if state_dict and all(key.startswith(prefix) for key in state_dict):
            log.warning("every key begins with %r, of one of torch's wrappers; it is left out", prefix)
            return _unwrapped({key.removeprefix(prefix): value for key, value in state_dict.items()})
    return state_dict


def to_torch(
    name: str, variables: Mapping[str, Any], *, source: str | None = None, **options: Any
) -> dict[str, np.ndarray]:
    """A peer's state dict from Flax variables, the inverse of `from_torch`.

    Raises:
      ValueError: if the zoo has no such network, or if variables are missing, unused or of the wrong shape.
    """
    flat = traverse_util.flatten_dict(dict(variables))
    leaves = correspondence(name, source or default_source(name), **options)
    classes = [flat[leaf.path].shape[-1] for leaf in leaves if leaf.of_classes and leaf.path in flat]
    leaves = _with_classes(leaves, classes, name)
    problems = differences(
        {"/".join(leaf.path): leaf.shape for leaf in leaves},
        {"/".join(path): value.shape for path, value in flat.items()},
    )
    if problems:
        lines = "\n  ".join(problems)
        raise ValueError(f"these are not variables of {name}; {len(problems)} differ:\n  {lines}")
    return {leaf.key: np.array(leaf.layout.to_torch(np.asarray(flat[leaf.path])), order="C") for leaf in leaves}


def default_source(name: str) -> str:
    """The zoo whose weights of a network are meant where none is named: the first that publishes some, or has names.

    Raises:
      ValueError: No zoo has this network.
    """
    published, zoos = pretrained_weights(name), zoos_of(name)
    if not (published or zoos):
        raise ValueError(f"no zoo has {name}, so there are no names to convert its weights by")
    return published[0].source if published else next(iter(zoos))


def stated_source(name: str, path: Path | str, source: str | None) -> str:
    """The zoo whose names a file of weights has, which the file itself does not say.

    Raises:
      ValueError: None is named, or one that lacks this network; says which there are.
    """
    if source is None:
        choices = ", ".join(zoos_of(name)) or f"none, since no zoo has {name}"
        raise ValueError(f"{path} does not say whose names its weights have; give the source: {choices}")
    _names(name, source)
    return source


def correspondence(name: str, source: str, **options: Any) -> list[Leaf]:
    """Every leaf of a network's variables with its name and layout in a zoo; the classes are `ANY_CLASSES`.

    Raises:
      ValueError: if the zoo has no table for the network's family, or the table no line for a layer.
    """
    names = _names(name, source)
    classes = ANY_CLASSES if options.get("until") is None else 0
    model = create_model(name, **{"num_classes": classes, **options})
    table, scale = names.table(model), scaled(getattr(model, "width", 1.0))
    leaves, unknown = [], []
    for path, shape in shapes(model, input_size(name, options)).items():
        whole = translate(table, "/".join(path[1:]))
        layer = translate(table, "/".join(path[1:-1]))
        if whole:
            key, rule = whole
        elif layer:
            key, rule = f"{layer[0]}.{LEAVES.get(path[-1], path[-1])}", layer[1]
        else:
            unknown.append("/".join(path))
            continue
        leaves.append(Leaf(path, shape, key, layout(path[-1], len(shape), rule, scale)))
    if unknown:
        raise ValueError(f"the table of {source} for {name} has no line for {', '.join(unknown)}")
    return leaves


def zoos_of(name: str) -> Mapping[str, Names]:
    """By zoo, the names of a network's layers.

    Raises:
      ValueError: There is no such network.
    """
    spec = model_info(name)
    return {**names_of(spec.module), **(spec.names or {})}


def _names(name: str, source: str) -> Names:
    zoos = zoos_of(name)
    if source not in zoos:
        near = difflib.get_close_matches(source, zoos, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ValueError(f"no names of {name} in {source!r}; {hint}there are those of {', '.join(zoos) or 'no zoo'}")
    return zoos[source]


def input_size(name: str, options: Mapping[str, Any]) -> int:
    """Side of the images that a network with these options is built for, in pixels."""
    return options.get("input_size") or model_info(name).input_size


@functools.lru_cache(maxsize=8)
def shapes(model: nn.Module, size: int) -> dict[tuple[str, ...], tuple[int, ...]]:
    """The shapes of a network's variables, by path, for images of `size` pixels."""
    images = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), images)
    return {path: leaf.shape for path, leaf in traverse_util.flatten_dict(variables).items()}


def _with_classes(leaves: list[Leaf], found: list[int], name: str) -> list[Leaf]:
    """The leaves for as many classes as the weights have, or as were published if the weights do not say."""
    classes = found[0] if found else model_info(name).num_classes
    return [
        dataclasses.replace(leaf, shape=tuple(classes if n == ANY_CLASSES else n for n in leaf.shape))
        for leaf in leaves
    ]
