"""What another batch or another length makes of a recipe."""

import dataclasses

from cnn_evolution.pretrained.conversion import shapes
from cnn_evolution.recipes.build import build_model
from cnn_evolution.recipes.config import AdamW, Recipe

LARGE_BATCH = 1024  # images
SMALL_SHARE = 16  # images of one device


def with_batch_size(recipe: Recipe, batch_size: int) -> Recipe:
    """The recipe with another batch, and a learning rate in proportion to it (Goyal et al. 2017, section 2.1).

    The rate of AdamW stays: that rule is for stochastic gradient descent, and RMSProp follows it in practice.

    Raises:
      ValueError: As `Recipe`.
    """
    changed = dataclasses.replace(recipe, batch_size=batch_size)
    if isinstance(recipe.optimizer, AdamW):
        return changed
    rate = recipe.optimizer.learning_rate * batch_size / recipe.batch_size
    return dataclasses.replace(changed, optimizer=dataclasses.replace(recipe.optimizer, learning_rate=rate))


def with_epochs(recipe: Recipe, epochs: float) -> Recipe:
    """The recipe with another length, and the steps of its schedule at the same shares of it.

    Raises:
      ValueError: As `Recipe`.
    """
    changed = dataclasses.replace(recipe, epochs=epochs)
    if recipe.schedule.name != "step":
        return changed
    boundaries = tuple(boundary * epochs / recipe.epochs for boundary in recipe.schedule.boundaries)
    return dataclasses.replace(changed, schedule=dataclasses.replace(recipe.schedule, boundaries=boundaries))


def remarks(recipe: Recipe, published: Recipe, devices: int) -> list[str]:
    """What is worth knowing of a recipe that differs from the published one, in words.

    Args:
      recipe: What is trained.
      published: The recipe of the same name.
      devices: Of all hosts.

    Raises:
      ValueError: As `create_model`.
    """
    found = []
    rate, before = recipe.optimizer.learning_rate, published.optimizer.learning_rate
    if rate != before and recipe.optimizer == with_batch_size(published, recipe.batch_size).optimizer:
        found.append(
            f"the learning rate is {rate:g} instead of {before:g}, in proportion to the batch of {recipe.batch_size} "
            f"instead of {published.batch_size} images; --optimizer.learning-rate states another"
        )
    if recipe.schedule != published.schedule and recipe.schedule == with_epochs(published, recipe.epochs).schedule:
        steps = ", ".join(f"{boundary:g}" for boundary in recipe.schedule.boundaries)
        found.append(
            f"the learning rate falls after the epochs {steps}, in proportion to {recipe.epochs:g} instead of "
            f"{published.epochs:g} epochs; --schedule.boundaries states others"
        )
    if recipe.batch_size > LARGE_BATCH and not recipe.schedule.warmup_epochs:
        found.append(
            f"batches of more than {LARGE_BATCH:,} images may need a warm-up (Goyal et al. 2017, section 2.2), as by "
            "--schedule.warmup-epochs 5"
        )
    share = recipe.batch_size / recipe.accumulate_steps / devices
    if share < SMALL_SHARE and recipe.batch_statistics == "per_replica" and _uses_batch_statistics(recipe):
        found.append(
            f"each device computes {share:g} images at a time, few for the statistics of batch normalisation; "
            "--batch-statistics synchronised takes those of all devices"
        )
    return found


def _uses_batch_statistics(recipe: Recipe) -> bool:
    """Whether a layer normalises by its batch in training."""
    model = build_model(recipe, 1)
    fixed = getattr(getattr(model, "norm", None), "keywords", {}).get("fixed_at", frozenset())
    found = shapes(model, recipe.data.size)
    return any(path[0] == "batch_stats" and "/".join(path[1:-1]) not in fixed for path in found)
