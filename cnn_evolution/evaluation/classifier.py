"""A network as it is evaluated: its weights, and how images are prepared for it."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
from jax import Array

from cnn_evolution.data import CenterCrop
from cnn_evolution.pixels import Pixels

Prediction = Callable[[Any, Array, Any], Array]
"""`(variables, images, frozen) -> logits (N, classes)` of normalised images (N, S, S, 3)."""


@dataclasses.dataclass(frozen=True)
class Logits:
    """The prediction of a model as it is."""

    model: nn.Module

    def __call__(self, variables: Any, images: Array, frozen: Any) -> Array:
        logits: Any = self.model.apply(variables, images, train=False)
        return logits


@dataclasses.dataclass(frozen=True, kw_only=True)
class Classifier:
    """A network with its weights.

    Attributes:
      name: For results; of a network of the catalogue, its name there.
      model: The module.
      pixels: The scale of the pixels that it takes.
      variables: Its weights and running statistics.
      crop: Short side and centre crop, in pixels.
      classes: Names of its classes, by label; none where they are not known.
      config: Where the weights come from: a run and the optimiser steps done, or a zoo.
      predict: None for the model as it is.
      frozen: What `predict` reads besides.
    """

    name: str
    model: nn.Module
    pixels: Pixels
    variables: Any
    crop: CenterCrop
    config: Mapping[str, Any]
    classes: tuple[str, ...] = ()
    predict: Prediction | None = None
    frozen: Any = None

    @property
    def prediction(self) -> Prediction:
        return self.predict or Logits(self.model)
