"""Networks with the weights that zoos publish."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from jax import Array

from cnn_evolution.models import create_model, model_info
from cnn_evolution.needed import needed_for
from cnn_evolution.pixels import Pixels
from cnn_evolution.pretrained.classes import classes_of
from cnn_evolution.pretrained.conversion import (
    ANY_CLASSES,
    correspondence,
    input_size,
    shapes,
    stated_source,
    views_of_torch,
)
from cnn_evolution.pretrained.files import load_state_dict
from cnn_evolution.pretrained.installed import installed_file
from cnn_evolution.pretrained.network import Pretrained
from cnn_evolution.pretrained.published import PublishedWeights, find_weights, weights_of_file
from cnn_evolution.pretrained.shapes import differences

if TYPE_CHECKING:
    from cnn_evolution.data import CenterCrop

_log = logging.getLogger(__name__)
Flat = dict[tuple[str, ...], Any]
"""Arrays by their paths in a network's variables."""


def load(
    name: str,
    *,
    source: str | None = None,
    tag: str | None = None,
    path: Path | str | None = None,
    num_classes: int | None = None,
    key: Array | None = None,
    new_head: bool = False,
    cache_dir: Path | str | None = None,
    **options: Any,
) -> Pretrained:
    """A network with published weights, of an installed package or downloaded on first use.

    A zoo's file is read whole, strictly against the network that it was made for. That is the published one, or else
    the one that `options` build (`aux_heads=False` for a file without auxiliary classifiers). Every array of the
    network that is asked for must then be in it: options may leave out (`until="stage3"`) or keep
    (`norm=layers.frozen_batch_norm`) what the file has, and layers are filled whole or not at all.

    Args:
      name: A name from `list_models`.
      source: The zoo whose weights they are; None for the first that `pretrained_weights(name)` lists. A file needs it.
      tag: Which of the zoo's; None for its first.
      path: A local file of the zoo's state dict, instead of a download (see `load_state_dict` for the formats).
      num_classes: None keeps the classes of the weights and 0 drops the classifiers. For any other number than the
        weights have, the body is kept and the classifiers start anew.
      key: Draws new classifiers; None for `jax.random.key(0)`.
      new_head: Start the classifiers anew even if the weights have as many classes.
      cache_dir: Where downloads are kept; None for $CNN_EVOLUTION_WEIGHTS, or ~/.cache/cnn_evolution/weights.
      **options: Options of `create_model`. With `input_size` the crop is scaled to it.

    Raises:
      ValueError: No such weights are known, the file does not hold them or does not fill the network, or a file comes
        without its source; says what there is.
      FileNotFoundError: There is no file `path`.
      OSError: The download failed, or an installed package has another file than the published one.
      ModuleNotFoundError: A package that is needed, or that holds the weights, is not installed; says which.
    """
    where = None if path is None else Path(path).expanduser()
    if where is not None and not where.is_file():
        raise FileNotFoundError(f"there is no weights file {where}")
    create_model(name, num_classes=num_classes, **options)  # bad arguments are said before anything is downloaded
    weights: PublishedWeights | None
    if where is None:
        weights = listed = find_weights(name, source=source, tag=tag)
        source, where = listed.source, weights_file(listed, cache_dir)
    else:
        source = stated_source(name, where, source)
        weights = weights_of_file(name, source=source, tag=tag)
    found, published = _read(name, load_state_dict(where), source, _of_file(options, num_classes))
    if options.get("until") is not None:
        num_classes = 0
    elif num_classes is None:
        num_classes = published
    model, variables, anew = fill(name, found, published, num_classes, key=key, new_head=new_head, **options)
    pixels, crop = _preparation(name, weights, options.get("input_size"))
    return Pretrained(
        model=model,
        variables=variables,
        pixels=pixels,
        crop=crop,
        classes=tuple(map(str, range(num_classes))) if anew else _names(name, num_classes, weights),
        weights=weights,
    )


def fill(
    name: str,
    found: Flat,
    published: int,
    num_classes: int,
    *,
    key: Array | None = None,
    new_head: bool = False,
    **options: Any,
) -> tuple[nn.Module, dict[str, Any], bool]:
    """A network with the arrays of another of its name, and new classifiers where theirs are of other classes.

    Args:
      name: A name from `list_models`.
      found: The arrays.
      published: The number of their classes.
      num_classes: The number of the network's classes; 0 drops the classifiers.
      key: Draws new classifiers; None for `jax.random.key(0)`.
      new_head: Draw them even if both numbers are equal.
      **options: Options of `create_model`.

    Returns:
      The network, its variables, and whether its classifiers are new.

    Raises:
      ValueError: The arrays do not fill the network; all that differ are named.
    """
    size = input_size(name, options)
    model = create_model(name, num_classes=num_classes, **options)
    outline = shapes(create_model(name, num_classes=ANY_CLASSES, **options) if num_classes else model, size)
    other = new_head or num_classes != published
    anew = [path for path, shape in outline.items() if ANY_CLASSES in shape] if other else []
    wanted = {path: tuple(num_classes if n == ANY_CLASSES else n for n in shape) for path, shape in outline.items()}
    _check(name, {path: shape for path, shape in wanted.items() if path not in anew}, found)
    if anew:
        layers = dict.fromkeys("/".join(path[1:-1]) for path in anew)
        _log.warning("%s for %d classes: %s start anew", name, num_classes, ", ".join(layers))
        found = found | _drawn(model, anew, size, jax.random.key(0) if key is None else key)
    return model, traverse_util.unflatten_dict({path: found[path] for path in wanted}), bool(anew)


def weights_file(weights: PublishedWeights, cache_dir: Path | str | None = None) -> Path:
    """The file of published weights: an installed package's, or a download, on first use.

    Raises:
      ModuleNotFoundError: The package is not installed; says how to install it.
      OSError: The download failed, or the file has another hash than the published one.
    """
    if weights.package:
        return installed_file(weights.package, weights.file, kind=weights.hash_kind, digits=weights.hash_digits)
    # Importing Python's HTTP client takes longer than all of this package.
    from cnn_evolution.pretrained.download import default_weights_dir, download

    root = default_weights_dir() if cache_dir is None else Path(cache_dir).expanduser()
    return download(weights.url, kind=weights.hash_kind, digits=weights.hash_digits, directory=root / weights.source)


def _of_file(options: Mapping[str, Any], num_classes: int | None) -> dict[str, Any]:
    """The options that a file may have been made for; what leaves out a network's end is none of them."""
    return {option: value for option, value in options.items() if option != "until"} | (
        {"num_classes": 0} if num_classes == 0 else {}
    )


def _read(name: str, state_dict: Mapping[str, Any], source: str, options: Mapping[str, Any]) -> tuple[Flat, int]:
    """The arrays of a file, and the number of its classes.

    They are those of the published network, or else of the one that the options build.

    Raises:
      ValueError: They are neither.
    """
    try:
        views, options = views_of_torch(name, state_dict, source), {}
    except ValueError:
        if not options:
            raise
        views = views_of_torch(name, state_dict, source, **options)
    flat: Flat = {path: np.asarray(view, np.float32) for path, view in views.items()}
    heads = [leaf.path for leaf in correspondence(name, source, **options) if leaf.of_classes]
    classes = flat[heads[0]].shape[-1] if heads else 0
    if source == "timm" and classes == model_info(name).num_classes + 1:
        flat |= {path: np.ascontiguousarray(flat[path][..., 1:]) for path in heads}  # the background class comes first
        classes -= 1
    return flat, classes


def _check(name: str, wanted: Mapping[tuple[str, ...], tuple[int, ...]], found: Flat) -> None:
    """Raises ValueError, with all that differs, unless the arrays that were found fill the network's layers."""
    layers = {path[1:-1] for path in wanted}
    of_layers = {path: array.shape for path, array in found.items() if path in wanted or path[1:-1] in layers}
    wanted_names, names = ({"/".join(path): shape for path, shape in one.items()} for one in (wanted, of_layers))
    problems = differences(wanted_names, names, beyond="left over")
    if problems:
        hint = f"as published it has width 1 and images of {model_info(name).input_size} pixels"
        if any(path[0] == "batch_stats" for path in of_layers if path not in wanted):
            hint = "the published weights are of batch normalisation, which layers.frozen_batch_norm keeps"
        lines = "\n  ".join(problems)
        raise ValueError(f"the weights do not fill this {name} ({hint}); {len(problems)} arrays differ:\n  {lines}")


def _drawn(model: nn.Module, paths: list[tuple[str, ...]], size: int, key: Array) -> Flat:
    """Some of a network's arrays as they are initialised; the compiler drops the rest of the network."""

    def init(key: Array) -> Flat:
        flat = traverse_util.flatten_dict(model.init(key, jnp.zeros((1, size, size, 3))))
        return {path: flat[path] for path in paths}

    return {path: np.asarray(leaf) for path, leaf in jax.jit(init)(key).items()}


def _preparation(name: str, weights: PublishedWeights | None, size: int | None) -> tuple[Pixels, "CenterCrop"]:
    """The scale of the pixels and the crop that weights were made for; the crop scaled to `size` pixels if it is given.

    Of weights that no zoo lists they follow the catalogue, which is said.
    """
    with needed_for("cropping images"):
        from cnn_evolution.data import CenterCrop

    if weights is None:
        spec = model_info(name)
        _log.warning("no zoo says how images of %s are prepared; the catalogue's mean, std and input_size do", name)
        size = size or spec.input_size
        return Pixels(spec.mean, spec.std), CenterCrop(size=size, resize=size)
    resize = weights.resize if size is None else round(weights.resize * size / weights.crop)
    crop = CenterCrop(size=size or weights.crop, resize=resize, interpolation=weights.interpolation)
    return Pixels(weights.mean, weights.std), crop


def _names(name: str, classes: int, weights: PublishedWeights | None) -> tuple[str, ...]:
    """The names of a network's classes: of as many as the zoo's weights have, theirs.

    Otherwise labels stand for them, which is said.
    """
    if weights is not None and classes == weights.num_classes:
        return classes_of(weights.dataset).names
    if classes:
        theirs = "" if weights is None else f"; {weights.source}'s weights have {weights.num_classes}"
        _log.warning("the names of the %d classes of %s are not known%s: labels stand for them", classes, name, theirs)
    return tuple(str(label) for label in range(classes))
