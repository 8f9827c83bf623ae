"""A task: everything that decides the outcome of a training run, as objects; and the options that do not."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

import flax.linen as nn
import jax
import optax
from jax import Array

from cnn_evolution.data import CenterCrop, ImageOperation, ImageSource, TrainingCrop, Workers, first_difference
from cnn_evolution.evaluation.classifier import Prediction
from cnn_evolution.parallel import AXIS
from cnn_evolution.pixels import NORMALISATIONS, Pixels
from cnn_evolution.training.augment import BatchOperation
from cnn_evolution.training.objective import Objective, cross_entropy


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """What to train, on what, and how.

    Tasks with equal objective, optimizer, batch operations and shapes share one compiled step; seeds, images and
    `frozen` may differ.

    Attributes:
      model: Maps normalised images (N, S, S, 3) to logits (N, classes); `__call__(images, *, train=False)`.
      train: What it learns from.
      evaluation: What it is evaluated on, every image once; its classes are those of `train`.
      crop: Draws a part of each training image.
      evaluation_crop: None for `crop` itself if that is a `CenterCrop`, else for the central 7/8 of the short side.
      pixels: The scale of the pixels that the model sees.
      image_operations: `(uint8 (S, S, 3), numpy Generator) -> uint8 (S, S, 3)`, after the crop, where images are
        decoded.
      batch_operations: `(key, batch) -> batch`, on the device, on pixels in [0, 1]; see `training.augment`.
      objective: What is minimised; see `training.objective`. None for `cross_entropy(model)`.
      predict: `(variables, images, frozen) -> logits (N, classes)`, for evaluation. None for the model as it is.
      optimizer: Any optax transformation; a hyperparameter `learning_rate` (`optax.inject_hyperparams`) is logged.
      steps: Optimiser steps of the whole run.
      batch_size: Images per optimiser step, over all devices of all hosts.
      accumulate_steps: Parts in which each device computes its share of a batch, to save memory.
      ema_decay: Decay of the moving averages of all variables that evaluation then uses; 0 for none.
      batch_statistics: Batch normalisation over each device's share, or over the whole batch ("synchronised"), for
        which the model needs a field `axis_name`.
      init: Variables to start from, or a pure function of a key that returns them; None for the model's own. The
        collection `params` is trained but for `frozen_params`, the others are the objective's `model_state`.
      frozen_params: Paths of parameters that stay as they are, such as "stage1_block1/conv1/kernel". They have no
        gradient and no optimiser state.
      frozen: Any tree of arrays that objective and prediction read: a teacher's variables, a mask.
      seed: Everything random derives from it; from 0 to 2^32 - 1.
      config: What tells this task from others, as JSON has it; a run resumes under an equal one only. None for a
        description of the other fields, which leaves out what cannot be described: the optimizer, functions' insides.
      name: Of the model, for results; None for the name of its class.

    Raises:
      ValueError: A number is out of its range, or the classes of the two sources differ.
    """

    model: nn.Module
    train: ImageSource
    evaluation: ImageSource
    crop: TrainingCrop
    evaluation_crop: CenterCrop | None = None
    pixels: Pixels = NORMALISATIONS["imagenet"]
    image_operations: tuple[ImageOperation, ...] = ()
    batch_operations: tuple[BatchOperation, ...] = ()
    objective: Objective | None = None
    predict: Prediction | None = None
    optimizer: optax.GradientTransformation
    steps: int
    batch_size: int
    accumulate_steps: int = 1
    ema_decay: float = 0.0
    batch_statistics: Literal["synchronised", "per_replica"] = "per_replica"
    init: Mapping[str, Any] | Callable[[Array], Mapping[str, Any]] | None = None
    frozen_params: frozenset[str] = frozenset()
    frozen: Any = None
    seed: int = 0
    config: Mapping[str, Any] | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        for field, holds, expected in (
            ("steps", self.steps > 0, "a number of steps above 0"),
            ("batch_size", self.batch_size > 0, "a number of images above 0"),
            ("accumulate_steps", self.accumulate_steps > 0, "a number of parts above 0"),
            ("ema_decay", 0 <= self.ema_decay < 1, "a number in [0, 1)"),
            ("batch_statistics", self.batch_statistics in ("synchronised", "per_replica"), "synchronised, per_replica"),
            ("seed", 0 <= self.seed < 2**32, "0 to 2**32 - 1"),
        ):
            if not holds:
                raise ValueError(f"{field} is {getattr(self, field)!r}, expected {expected}")
        classes = self.train.class_names, self.evaluation.class_names
        if (label := first_difference(*classes)) is not None:
            ours, theirs = (names[label] if label < len(names) else None for names in classes)
            raise ValueError(
                f"train and evaluation have different classes: label {label} is {ours!r} in the one, {theirs!r} in the "
                "other"
            )

    @property
    def test_crop(self) -> CenterCrop:
        """The crop for evaluation."""
        if self.evaluation_crop is not None:
            return self.evaluation_crop
        if isinstance(self.crop, CenterCrop):
            return self.crop
        return CenterCrop(size=self.crop.size, resize=round(self.crop.size * 8 / 7))

    @property
    def loss(self) -> Objective:
        """The objective, of a model that averages its batch statistics over all devices if that is asked for.

        Raises:
          ValueError: That is asked for, and the objective or the model cannot be told.
        """
        objective: Any = self.objective or cross_entropy(self.model)
        if self.batch_statistics == "per_replica":
            return objective
        if getattr(objective, "model", None) != self.model or not hasattr(self.model, "axis_name"):
            raise ValueError(
                "batch_statistics is 'synchronised', but there is no model to tell: expected a model with the field "
                f"`axis_name`, and a frozen dataclass with the field `model` as the objective (or {AXIS!r} as the "
                "`axis_name` of your own model, and 'per_replica')"
            )
        return dataclasses.replace(objective, model=self.model.clone(axis_name=AXIS))

    def initial(self, key: Array) -> dict[str, Any]:
        """The variables before the first step; pure."""
        if self.init is None:
            images = jax.numpy.zeros((1, self.crop.size, self.crop.size, 3))
            return dict(self.model.init(key, images))
        return dict(self.init(key) if callable(self.init) else self.init)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a run is done; nothing here changes its outcome.

    Attributes:
      workers: Processes that decode images; 0 decodes in threads of this process, "auto" chooses by its cores.
      log_every: Steps between two lines of metrics.
      checkpoint_every: Epochs between two checkpoints; there is one at every evaluation and at the end too. The newest
        two are kept, and the best in top-1 error of those that were evaluated.
      evaluate_every: Epochs between two evaluations; 0 evaluates at the end only.
      max_corrupt: Images that may turn out unreadable before the run stops.
      profile: A step of which a trace is written into the run's `profile/`; 0 for none.
      on_metrics: Called in every process with the step and its metrics, whenever a line of metrics is written.
    """

    workers: Workers = "auto"
    log_every: int = 50
    checkpoint_every: float = 1.0
    evaluate_every: float = 0.0
    max_corrupt: int = 0
    profile: int = 0
    on_metrics: Callable[[int, Mapping[str, float]], None] | None = None
