"""Top-1 and top-5 error of a network, or of several whose probabilities are averaged."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax

from cnn_evolution.data import CenterCrop, ImageSource, evaluation_batches, present
from cnn_evolution.parallel import AXIS, map_count, map_prediction, split_over_devices
from cnn_evolution.pixels import Pixels, normalise


@dataclasses.dataclass(frozen=True, kw_only=True)
class Member:
    """A trained network and how its images are prepared.

    Attributes:
      name: Its name in the catalogue.
      model: The module.
      pixels: The scale of the pixels that it takes.
      variables: Its weights and running statistics.
      crop: Short side and centre crop, in pixels.
      config: Where the weights come from: the recipe and the optimiser steps done, or a zoo.
    """

    name: str
    model: nn.Module
    pixels: Pixels
    variables: Any
    crop: CenterCrop
    config: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Errors:
    """Counts over a whole split, and the errors in percent."""

    images: int
    top1_wrong: int
    top5_wrong: int

    @property
    def top1(self) -> float:
        return 100 * self.top1_wrong / self.images

    @property
    def top5(self) -> float:
        return 100 * self.top5_wrong / self.images


def count_errors(probabilities: Array, labels: Array) -> tuple[Array, Array, Array]:
    """Images, wrong top-1 and wrong top-5 predictions, each an int32 scalar.

    Args:
      probabilities: (N, classes), or any scores that rank the classes.
      labels: (N,) int32; a row marked ABSENT holds no image and is not counted.
    """
    there = present(labels)
    _, best = lax.top_k(probabilities, min(5, probabilities.shape[-1]))
    hits = best == labels[:, None]
    return there.sum(), (there & ~hits[:, 0]).sum(), (there & ~hits.any(-1)).sum()


@functools.cache
def _predictor(model: nn.Module, pixels: Pixels) -> Callable[[Any, Any], Any]:
    """The compiled network; kept, so that an ensemble of networks evaluated before compiles nothing."""

    def probabilities(variables: Any, images: Array) -> Array:
        logits: Any = model.apply(variables, normalise(images, *pixels))
        return jax.nn.softmax(logits)

    return map_prediction(probabilities)


@functools.cache
def _counter() -> Callable[[Any, Any], Any]:
    return map_count(lambda scores, labels: lax.psum(jnp.stack(count_errors(scores, labels)), AXIS))


def evaluate(
    members: Sequence[Member],
    source: ImageSource,
    *,
    batch_size: int,
    workers: int = 0,
) -> Errors:
    """Errors over exactly the images of `source`, each once, whatever the batch size and the number of devices.

    The probabilities of several members are averaged (Krizhevsky et al. 2012), each member seeing its own crop of every
    image.

    Raises:
      ValueError: There is no member.
    """
    if not members:
        raise ValueError("an evaluation needs at least one network")
    crops = list(dict.fromkeys(member.crop for member in members))
    streams: list[Iterator[Mapping[str, Any]]] = [
        evaluation_batches(
            source,
            batch_size=batch_size,
            crop=crop,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
            workers=workers,
        )
        for crop in crops
    ]
    predictors = [_predictor(member.model, member.pixels) for member in members]
    totals = [0, 0, 0]
    for batches in zip(*streams, strict=True):
        batch_of = dict(zip(crops, map(split_over_devices, batches), strict=True))
        scores = sum(
            predict(member.variables, batch_of[member.crop]["image"])
            for predict, member in zip(predictors, members, strict=True)
        )
        counts = _counter()(scores, batch_of[crops[0]]["label"])
        totals = [total + int(count) for total, count in zip(totals, counts, strict=True)]
    return Errors(*totals)
