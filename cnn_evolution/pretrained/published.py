"""Published weights: where they are, what belongs to them, and loading them.

`published.csv` lists them, with facts from torchvision 0.28, timm 1.0.31 and pytorchcv 0.0.74: address and hash, the
preprocessing that the weights were made for, and the zoo's own errors on one centre crop of the validation split
(timm's from its results-imagenet.csv; pytorchcv's top-1 from the README of github.com/osmr/imgclsmob, where that states
it of the same file).

Deviations: torchvision's GoogLeNet and Inception v3 take images normalised as for its other networks and renormalise
them (`transform_input`); here they are normalised once, to mean 0.5 and deviation 0.5, which comes to the same. timm
has moved `inception_v4`, `inception_resnet_v2` and `pnasnet5_large` to a hub that states no hashes; they are listed
under the addresses of its earlier releases. Some of timm's networks came from TensorFlow with a background class before
ImageNet's thousand, which is left out.
"""

import dataclasses
import difflib
import functools
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util
from jax import Array

from cnn_evolution.files import table_rows
from cnn_evolution.models import create_model, model_info
from cnn_evolution.pretrained.conversion import correspondence, from_torch
from cnn_evolution.pretrained.download import HashKind, default_weights_dir, download
from cnn_evolution.pretrained.files import SUFFIXES, load_state_dict

SOURCES = ("torchvision", "timm", "pytorchcv")
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainedWeights:
    """Weights of a network that a zoo publishes, and what they were made for.

    Attributes:
      model: The network's name in our catalogue.
      source: The zoo: torchvision, timm or pytorchcv.
      peer: The network's name there.
      tag: Tells several weights of one network apart, for example IMAGENET1K_V2.
      url: Where the file is.
      hash_kind: sha256 or sha1; pytorchcv's is that of the file inside its archive.
      hash: As far as it is published, in hexadecimal.
      dataset: TFDS's name of the data set that the classes and errors belong to.
      num_classes: Number of its classes.
      mean: Of R, G and B, for pixels in [0, 1].
      std: Likewise.
      resize: Short side of an image before the centre crop, in pixels.
      crop: Side of the centre crop, in pixels.
      interpolation: How images are resized.
      top1_error: Published, on one centre crop of the validation split, in percent; None where it is not.
      top5_error: Likewise.
    """

    model: str
    source: str
    peer: str
    tag: str
    url: str
    hash_kind: HashKind
    hash: str
    dataset: str
    num_classes: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize: int
    crop: int
    interpolation: Literal["bilinear", "bicubic"]
    top1_error: float | None
    top5_error: float | None


def pretrained_weights(
    model: str | None = None, *, source: str | None = None, tag: str | None = None
) -> tuple[PretrainedWeights, ...]:
    """All published weights that are known, or those of a network, a zoo, a tag; a network's usual ones come first."""
    wanted = {"model": model, "source": source, "tag": tag}
    return tuple(
        weights
        for weights in _listed()
        if all(value is None or getattr(weights, field) == value for field, value in wanted.items())
    )


def find_weights(model: str, *, source: str | None = None, tag: str | None = None) -> PretrainedWeights:
    """The first published weights of a network that are asked for.

    Raises:
      ValueError: There are none; names what there is of this network, or the nearest that have some.
    """
    model_info(model)
    if found := pretrained_weights(model, source=source, tag=tag):
        return found[0]
    if others := pretrained_weights(model):
        asked = ":".join(part for part in (source, tag) if part)
        there = ", ".join(f"{weights.source}:{weights.tag}" for weights in others)
        raise ValueError(f"no weights {asked} of {model}; there are {there}")
    names = list(dict.fromkeys(weights.model for weights in _listed()))
    near = difflib.get_close_matches(model, names, n=3, cutoff=0.4)
    hint = f", but for {', '.join(near)}" if near else ""
    raise ValueError(
        f"no weights of {model} are known{hint} (pretrained_weights() has all); give path and source to load your own"
    )


class Choice(NamedTuple):
    """Which weights of a network, as `load_pretrained` takes it."""

    source: str | None = None
    tag: str | None = None
    path: Path | None = None


def parse_pretrained(text: str) -> Choice:
    """What a command line says in one word: SOURCE, SOURCE:TAG or a file.

    Raises:
      ValueError: It is none of these.
    """
    source, _, tag = text.partition(":")
    if source in SOURCES:
        return Choice(source=source, tag=tag or None)
    if text.endswith(SUFFIXES):
        return Choice(path=Path(text))
    raise ValueError(
        f"{text!r} names no weights; expected {', '.join(SOURCES)}, one of them with a tag, as in "
        f"torchvision:IMAGENET1K_V2, or a file ({', '.join(SUFFIXES)})"
    )


def load_pretrained(
    name: str,
    *,
    source: str | None = None,
    tag: str | None = None,
    path: Path | str | None = None,
    num_classes: int | None = None,
    cache_dir: Path | str | None = None,
    key: Array | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Published weights as Flax variables, downloaded on first use.

    Args:
      name: A name in the catalogue.
      source: The zoo whose weights they are; None for the first that `pretrained_weights(name)` lists.
      tag: Which of the zoo's; None for its first.
      path: A local file of the zoo's state dict, instead of a download (see `load_state_dict` for the formats).
      num_classes: None keeps the classes of the weights and 0 drops the classifiers. For any other number than the
        weights have, the body is kept and the classifiers start anew.
      cache_dir: Where downloads are kept; None for $CNN_EVOLUTION_WEIGHTS, or ~/.cache/cnn_evolution/weights.
      key: Draws new classifiers; None for `jax.random.key(0)`.
      **options: Options of `create_model` that the weights were made for, as for `from_torch`.

    Returns:
      `{"params": ..., "batch_stats": ...}`, float32 NumPy arrays.

    Raises:
      ValueError: No such weights are known, or the file does not hold them; says what there is.
      FileNotFoundError: There is no file `path`.
      OSError: The download failed.
      ModuleNotFoundError: It is a PyTorch file, and torch is not installed.
    """
    if path is None or source is None:
        weights = find_weights(name, source=source, tag=tag)
        source = weights.source
        path = _downloaded(weights, cache_dir) if path is None else path
    variables = from_torch(name, load_state_dict(Path(path).expanduser()), source=source, **options)

    flat: dict[tuple[str, ...], Any] = traverse_util.flatten_dict(variables)
    heads = [leaf.path for leaf in correspondence(name, source, **options) if leaf.of_classes]
    classes = flat[heads[0]].shape[-1] if heads else 0
    if source == "timm" and classes == model_info(name).num_classes + 1:
        flat |= {path: np.ascontiguousarray(flat[path][..., 1:]) for path in heads}  # the background class comes first
        classes -= 1
    if num_classes is not None and num_classes != classes:
        flat = _with_heads(name, flat, num_classes, key, options)
    return traverse_util.unflatten_dict(flat)


def _downloaded(weights: PretrainedWeights, cache_dir: Path | str | None) -> Path:
    root = Path(cache_dir).expanduser() if cache_dir is not None else default_weights_dir()
    return download(weights.url, kind=weights.hash_kind, digest=weights.hash, directory=root / weights.source)


def _with_heads(
    name: str,
    flat: Mapping[tuple[str, ...], Any],
    num_classes: int,
    key: Array | None,
    options: Mapping[str, Any],
) -> dict[tuple[str, ...], Any]:
    """The variables for another number of classes: what does not depend on it is kept, the rest drawn."""
    model = create_model(name, num_classes=num_classes, **options)
    size = model_info(name).input_size

    def init(key: Array) -> dict[tuple[str, ...], Array]:
        return traverse_util.flatten_dict(model.init(key, jnp.zeros((1, size, size, 3))))

    shapes = jax.eval_shape(init, jax.random.key(0))
    anew = [path for path, leaf in shapes.items() if path not in flat or flat[path].shape != leaf.shape]
    if anew:
        layers = dict.fromkeys("/".join(path[1:-1]) for path in anew)
        _log.warning("%s for %d classes: %s start anew", name, num_classes, ", ".join(layers))
        # Only these are computed: the compiler drops the rest of the network.
        drawn = jax.jit(lambda key: {path: init(key)[path] for path in anew})(jax.random.key(0) if key is None else key)
        flat = {**flat, **{path: np.asarray(leaf) for path, leaf in drawn.items()}}
    return {path: flat[path] for path in shapes}


def _numbers(text: str) -> tuple[float, float, float]:
    r, g, b = map(float, text.split())
    return r, g, b


def _error(text: str) -> float | None:
    return float(text) if text else None


@functools.cache
def _listed() -> tuple[PretrainedWeights, ...]:
    return tuple(
        PretrainedWeights(
            model=row["model"],
            source=row["source"],
            peer=row["peer"],
            tag=row["tag"],
            url=row["url"],
            hash_kind=cast(HashKind, row["hash_kind"]),
            hash=row["hash"],
            dataset=row["dataset"],
            num_classes=int(row["num_classes"]),
            mean=_numbers(row["mean"]),
            std=_numbers(row["std"]),
            resize=int(row["resize"]),
            crop=int(row["crop"]),
            interpolation=cast(Literal["bilinear", "bicubic"], row["interpolation"]),
            top1_error=_error(row["top1_error"]),
            top5_error=_error(row["top5_error"]),
        )
        for row in table_rows(__package__, "published.csv")
    )
