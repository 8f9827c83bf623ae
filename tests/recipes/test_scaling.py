"""Recipes at another batch and another length."""

import dataclasses

import pytest

from cnn_evolution.recipes import AdamW, ModelConfig, Recipe, RmsProp, ScheduleConfig, Sgd, published_recipe
from cnn_evolution.recipes.scaling import remarks, with_batch_size, with_epochs

RECIPE = Recipe(model=ModelConfig(name="resnet50"))


@pytest.mark.parametrize(("rule", "expected"), [(Sgd(), 0.4), (RmsProp(learning_rate=0.01), 0.04), (AdamW(), 1e-3)])
def test_the_rate_of_sgd_and_rmsprop_is_in_proportion_to_the_batch(rule, expected):
    recipe = dataclasses.replace(RECIPE, optimizer=rule)
    changed = with_batch_size(recipe, 1024)
    assert changed.optimizer.learning_rate == pytest.approx(expected) and changed.batch_size == 1024
    assert with_batch_size(changed, 256) == recipe


def test_steps_fall_at_the_same_shares_of_another_length():
    alexnet = published_recipe("alexnet")
    assert with_epochs(alexnet, 60).schedule.boundaries == pytest.approx((50 / 3, 100 / 3, 50))
    cosine = dataclasses.replace(RECIPE, schedule=ScheduleConfig(name="cosine"))
    assert with_epochs(cosine, 10) == dataclasses.replace(cosine, epochs=10)


@pytest.mark.parametrize(
    ("recipe", "devices", "expected"),
    [
        (RECIPE, 8, []),
        (with_batch_size(RECIPE, 512), 8, ["is 0.2 instead of 0.1, in proportion to the batch of 512 instead of 256"]),
        (dataclasses.replace(RECIPE, batch_size=512), 8, []),  # the rate was given
        (dataclasses.replace(RECIPE, batch_size=2048), 8, ["may need a warm-up"]),
        (RECIPE, 32, ["each device computes 8 images at a time"]),
        (dataclasses.replace(RECIPE, accumulate_steps=4), 8, ["each device computes 8 images at a time"]),
        (dataclasses.replace(RECIPE, batch_statistics="synchronised"), 32, []),
        (dataclasses.replace(RECIPE, running_statistics="all"), 32, []),
        (dataclasses.replace(RECIPE, freeze="*"), 32, []),
        (dataclasses.replace(RECIPE, freeze="stem"), 32, ["each device computes 8 images at a time"]),
        (dataclasses.replace(RECIPE, model=ModelConfig(name="vgg16")), 32, []),
        (with_epochs(RECIPE, 45), 8, ["the learning rate falls after the epochs 15, 30, 45, in proportion to 45"]),
        (dataclasses.replace(RECIPE, epochs=45), 8, []),  # the boundaries were given
    ],
)
def test_what_another_batch_or_length_changes_is_said(recipe, devices, expected):
    found = remarks(recipe, RECIPE, devices)
    assert len(found) == len(expected) and all(part in line for part, line in zip(expected, found, strict=True))
