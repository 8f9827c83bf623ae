"""From a recipe, which names things, to a task, which holds them."""

from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_evolution.data import (
    CenterCrop,
    FixedScaleCrop,
    ImageSource,
    InceptionCrop,
    ScaleJitterCrop,
    TrainingCrop,
    open_source,
)
from cnn_evolution.models import create_model, model_info
from cnn_evolution.pixels import Pixels
from cnn_evolution.pretrained import load as load_weights
from cnn_evolution.pretrained.conversion import stated_source
from cnn_evolution.pretrained.published import find_weights, parse_pretrained, weights_of_file
from cnn_evolution.recipes.config import AugmentConfig, Recipe, to_dict
from cnn_evolution.recipes.optimizer import make_optimizer
from cnn_evolution.training.augment import BatchOperation, ColourNoise, CutMix, Mixup, OneOf
from cnn_evolution.training.objective import cross_entropy
from cnn_evolution.training.task import Task


def build(
    recipe: Recipe,
    *,
    data_dir: Path | None = None,
    load: bool = True,
    sources: tuple[ImageSource, ImageSource] | None = None,
) -> Task:
    """The task that a recipe describes, of which it is the `config`.

    Args:
      recipe: What to do.
      data_dir: Where prepared data sets lie; None for the default place.
      load: Load the published weights that the recipe starts from. A run that continues from a checkpoint needs none;
        what the task would start from is then its network's own initialisation.
      sources: What to train on and what to evaluate on; None opens the recipe's.

    Raises:
      ValueError: A name is unknown, or a part of the recipe does not fit another; says which value and what would fit.
      FileNotFoundError: The data set, or a file of weights, is not there.
      OSError, ModuleNotFoundError: As `cnn_evolution.load`.
    """
    data, name = recipe.data, recipe.model.name
    build_model(recipe, 1)  # a wrong model is the cheapest mistake to find, so it is looked for before the data
    pixels, crop = pixels_of(recipe), crop_of(recipe)
    train, evaluation = sources or (
        open_source(data.dataset, split, data_dir=data_dir) for split in (data.train_split, data.evaluation_split)
    )
    model = build_model(recipe, train.num_classes)
    steps_per_epoch = len(train) / recipe.batch_size
    steps = max(1, round(recipe.epochs * steps_per_epoch))
    return Task(
        name=name,
        model=model,
        train=train,
        evaluation=evaluation,
        crop=crop,
        evaluation_crop=CenterCrop(size=data.size, resize=data.evaluation_resize),
        pixels=pixels,
        batch_operations=operations_of(recipe.augment),
        objective=cross_entropy(model, recipe.label_smoothing, recipe.aux_weight),
        optimizer=make_optimizer(recipe.optimizer, recipe.schedule, steps_per_epoch, steps),
        steps=steps,
        batch_size=recipe.batch_size,
        accumulate_steps=recipe.accumulate_steps,
        ema_decay=recipe.ema_decay,
        # Without batch normalisation there is nothing to tell.
        batch_statistics=recipe.batch_statistics if hasattr(model, "axis_name") else "per_replica",
        init=_pretrained(recipe, train.num_classes) if load and recipe.model.pretrained else None,
        seed=recipe.seed,
        config=to_dict(recipe),
    )


def build_model(recipe: Recipe, num_classes: int) -> nn.Module:
    """The recipe's network, in its small-image form if the images are small.

    Raises:
      ValueError: As `create_model`.
    """
    return create_model(recipe.model.name, num_classes=num_classes, **_options(recipe))


def _options(recipe: Recipe) -> dict[str, Any]:
    """What `create_model` is given besides the name and the number of classes."""
    dtype, width, size = jnp.dtype(recipe.dtype), recipe.model.width, recipe.data.size
    return {"dtype": dtype, "width": width, "input_size": size, **recipe.model.options()}


def crop_of(recipe: Recipe) -> TrainingCrop:
    """The recipe's random crop."""
    size, config = recipe.data.size, recipe.augment
    match config.crop:
        case "fixed_scale":
            return FixedScaleCrop(size=size, resize=config.resize, flip=config.flip)
        case "scale_jitter":
            return ScaleJitterCrop(size=size, low=config.resize, high=config.resize_high, flip=config.flip)
        case "inception":
            return InceptionCrop(size=size, area=(config.min_area, 1.0), flip=config.flip)


def operations_of(config: AugmentConfig) -> tuple[BatchOperation, ...]:
    """The recipe's augmentation of whole batches."""
    noise = (ColourNoise(config.pca_noise),) if config.pca_noise else ()
    mixing = (*((Mixup(config.mixup),) if config.mixup else ()), *((CutMix(config.cutmix),) if config.cutmix else ()))
    return (*noise, OneOf(mixing)) if len(mixing) > 1 else (*noise, *mixing)


def pixels_of(recipe: Recipe) -> Pixels:
    """The scale of the pixels that the recipe asks for, or that published weights were trained on.

    Raises:
      ValueError: There are no such weights.
    """
    name, spec = recipe.model.name, model_info(recipe.model.name)
    if recipe.model.pretrained is not None:
        source, tag, path = parse_pretrained(recipe.model.pretrained)
        if path is not None:
            made_for = weights_of_file(name, source=stated_source(name, path, source)) or spec
        else:
            made_for = find_weights(name, source=source, tag=tag)
        return Pixels(made_for.mean, made_for.std)
    return Pixels(spec.mean, (1 / 255,) * 3 if recipe.data.pixels == "centred" else spec.std)


def _pretrained(recipe: Recipe, num_classes: int) -> dict[str, Any]:
    """Published weights for these classes and this recipe's network."""
    choice, key = parse_pretrained(str(recipe.model.pretrained)), jax.random.key(recipe.seed)
    options = {"num_classes": num_classes, "key": key, **_options(recipe)}
    return load_weights(recipe.model.name, **choice._asdict(), **options).variables
