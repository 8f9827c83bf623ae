"""Which parameters of a network a recipe freezes."""

import difflib
import fnmatch
import functools
from collections.abc import Iterable

import flax.linen as nn

from cnn_evolution import layers
from cnn_evolution.analysis import parameters_by_endpoint
from cnn_evolution.pretrained.conversion import shapes


@functools.lru_cache(maxsize=8)
def frozen_params(model: nn.Module, size: int, freeze: str) -> frozenset[str]:
    """The paths of the parameters that are frozen, as `Task.frozen_params` takes them.

    Args:
      model: The network.
      size: Side of its images, in pixels.
      freeze: As `Recipe.freeze`. A word is first looked for among the endpoints, whose parameters are those from the
        endpoint before; then among the paths of layers and parameters.

    Raises:
      ValueError: A word freezes nothing, or all words together freeze everything; says the nearest names.
    """
    words = [word.strip() for word in freeze.split(",") if word.strip()]
    if not words:
        return frozenset()
    endpoints = parameters_by_endpoint(model, size)
    params = ["/".join(path[1:]) for path in shapes(model, size) if path[0] == "params"]
    frozen: set[str] = set()
    for word in words:
        named = fnmatch.filter(endpoints, word)
        found = [path for name in named for path in endpoints[name]]
        found = found or [path for path in params if any(fnmatch.fnmatchcase(part, word) for part in _prefixes(path))]
        if not found:
            why = f"{', '.join(named)} has no parameters" if named else "no endpoint, layer or parameter has that name"
            raise ValueError(f"freeze has {word!r}, which freezes nothing: {why}; {_nearest(word, endpoints, params)}")
        frozen |= set(found)
    if len(frozen) < len(params):
        return frozenset(frozen)
    with_parameters = ", ".join(name for name, paths in endpoints.items() if paths)
    raise ValueError(
        f"freeze is {freeze!r}, which freezes everything, the classifier too; expected some of the endpoints "
        f"{with_parameters}, or * for all of them"
    )


@functools.lru_cache(maxsize=8)
def fixed_statistics(model: nn.Module, size: int, frozen: frozenset[str] | None) -> layers.Norm | None:
    """Batch normalisation, as `create_model` takes it, that keeps its statistics where all its parameters are frozen.

    Args:
      model: The network.
      size: Side of its images, in pixels.
      frozen: The paths of the frozen parameters; None keeps all statistics.

    Returns:
      None where there are no such layers.
    """
    found = shapes(model, size)
    params: dict[str, set[str]] = {"/".join(path[1:-1]): set() for path in found if path[0] == "batch_stats"}
    for collection, *path in found:
        if collection == "params" and (layer := "/".join(path[:-1])) in params:
            params[layer].add("/".join(path))
    fixed = frozenset(layer for layer, own in params.items() if frozen is None or set() < own <= frozen)
    return functools.partial(layers.BatchNorm, fixed_at=fixed) if fixed else None


def _prefixes(path: str) -> Iterable[str]:
    """A parameter's path, and those of the layers that it is in."""
    parts = path.split("/")
    return ("/".join(parts[:end]) for end in range(1, len(parts) + 1))


def _nearest(word: str, endpoints: Iterable[str], params: Iterable[str]) -> str:
    names = dict.fromkeys([*endpoints, *(prefix for path in params for prefix in _prefixes(path))])
    near = difflib.get_close_matches(word, names, n=3, cutoff=0.5)
    return f"did you mean {', '.join(near)}?" if near else f"endpoints are {', '.join(endpoints)}"
