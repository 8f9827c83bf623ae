"""From a recipe, which names things, to a task, which holds them."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import traverse_util

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
from cnn_evolution.pretrained.classes import classes_of
from cnn_evolution.pretrained.conversion import stated_source
from cnn_evolution.pretrained.loading import fill
from cnn_evolution.pretrained.published import find_weights, parse_pretrained, weights_of_file
from cnn_evolution.recipes.config import AugmentConfig, DataConfig, Recipe, from_dict, to_dict
from cnn_evolution.recipes.freezing import fixed_statistics, frozen_params
from cnn_evolution.recipes.optimizer import make_optimizer
from cnn_evolution.training.augment import BatchOperation, ColourNoise, CutMix, Mixup, OneOf
from cnn_evolution.training.evaluations import Which
from cnn_evolution.training.fit import load as load_state
from cnn_evolution.training.identity import read_identity, recorded_sources
from cnn_evolution.training.objective import cross_entropy
from cnn_evolution.training.state import TrainState
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
      load: Load the trained weights that the recipe starts from. A run that continues from a checkpoint needs none;
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
        open_split(data, split, data_dir) for split in (data.train_split, data.evaluation_split)
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
        init=_start(recipe, train.class_names) if load and recipe.model.pretrained else None,
        frozen_params=frozen_of(recipe),
        seed=recipe.seed,
        config=to_dict(recipe),
    )


def open_split(data: DataConfig, split: str, data_dir: Path | None = None) -> ImageSource:
    """A split of a recipe's data set.

    Raises:
      ValueError, FileNotFoundError, OSError: As `open_source`.
    """
    source = open_source(data.dataset, split, data_dir=data_dir)
    return source.upright() if data.upright else source


def build_model(recipe: Recipe, num_classes: int) -> nn.Module:
    """The recipe's network, in its small-image form if the images are small.

    Raises:
      ValueError: As `create_model`.
    """
    frozen, norm = frozen_of(recipe), None
    if recipe.running_statistics == "all":
        norm = fixed_statistics(_outline(recipe), recipe.data.size, None)
    elif recipe.running_statistics == "frozen" and frozen:
        norm = fixed_statistics(_outline(recipe), recipe.data.size, frozen)
    options = _options(recipe) if norm is None else {"norm": norm, **_options(recipe)}
    return create_model(recipe.model.name, num_classes=num_classes, **options)


def frozen_of(recipe: Recipe) -> frozenset[str]:
    """The paths of the parameters that a recipe freezes.

    Raises:
      ValueError: As `create_model` and `frozen_params`.
    """
    return frozen_params(_outline(recipe), recipe.data.size, recipe.freeze)


def _outline(recipe: Recipe) -> nn.Module:
    """A network with the layers of the recipe's; one for all numbers of classes, so that it is traced once."""
    return create_model(recipe.model.name, num_classes=1, **_options(recipe))


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
    """The scale of the pixels that the recipe asks for, or that the weights that it starts from were trained on.

    Raises:
      ValueError, FileNotFoundError: There are no such weights.
    """
    name, spec, data = recipe.model.name, model_info(recipe.model.name), recipe.data
    if data.mean is not None and data.std is not None:
        return Pixels(data.mean, data.std)
    if recipe.model.pretrained is None:
        return Pixels(spec.mean, (1 / 255,) * 3 if data.pixels == "centred" else spec.std)
    if (run_dir := run_started_from(recipe)) is not None:
        return pixels_of(recipe_of(read_identity(run_dir), run_dir))
    source, tag, path = parse_pretrained(recipe.model.pretrained)
    if path is not None:
        made_for = weights_of_file(name, source=stated_source(name, path, source)) or spec
    else:
        made_for = find_weights(name, source=source, tag=tag)
    return Pixels(made_for.mean, made_for.std)


def run_started_from(recipe: Recipe) -> Path | None:
    """The directory of the run whose weights the recipe starts from."""
    where = recipe.model.pretrained
    return Path(where).expanduser() if where and Path(where).expanduser().is_dir() else None


def independent(recipe: Recipe) -> Recipe:
    """The same recipe, which after its start needs no other run: it states the scale of that run's pixels itself."""
    if run_started_from(recipe) is None:
        return recipe
    return dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, **pixels_of(recipe)._asdict()))


def recipe_of(run: Mapping[str, Any], run_dir: Path) -> Recipe:
    """The recipe by which a run was trained, from the run's identity.

    Raises:
      ValueError: No recipe describes it.
    """
    try:
        return from_dict(run["task"])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{run_dir} holds no run of a recipe ({error}); build its task and use `evaluate`") from error


def restored(run_dir: Path, which: Which = None) -> tuple[Task, TrainState, dict[str, Any]]:
    """The task of a run that was trained by a recipe, the state of a checkpoint, and its identity; opens no data.

    Args:
      run_dir: The run's directory.
      which: The step of a checkpoint; None for the newest, "best" for that with the lowest top-1 error.

    Raises:
      FileNotFoundError: The directory holds no run, or a run without such a checkpoint.
      ValueError: It holds a run of an older version, or of a task that no recipe describes.
    """
    run = read_identity(run_dir)
    task = build(recipe_of(run, run_dir), load=False, sources=recorded_sources(run))
    return task, load_state(task, run_dir, run, which), run


def _start(recipe: Recipe, classes: tuple[str, ...]) -> dict[str, Any]:
    """Trained weights for these classes and this recipe's network; new classifiers where theirs are of others."""
    name, key = recipe.model.name, jax.random.key(recipe.seed)
    if (run_dir := run_started_from(recipe)) is not None:
        task, state, run = restored(run_dir)
        if task.name != name:
            raise ValueError(f"model.pretrained is {run_dir}, a run of {task.name}, which does not fill {name}")
        found, known = traverse_util.flatten_dict(jax.device_get(state.variables())), tuple(run["data"]["classes"])
        other = known != classes
        return fill(name, found, len(known), len(classes), key=key, new_head=other, **_options(recipe))[1]
    choice = parse_pretrained(str(recipe.model.pretrained))
    weights = weights_of_file(name, source=str(choice.source), tag=choice.tag)
    other = weights is not None and not classes_of(weights.dataset).are(classes)
    options = {"num_classes": len(classes), "key": key, "new_head": other, **_options(recipe)}
    return load_weights(name, **choice._asdict(), **options).variables
