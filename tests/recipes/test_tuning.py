"""Recipes that start from trained weights."""

import sys
import types

import pytest

from cnn_evolution.recipes import ModelConfig, Recipe, fine_tuning, named_recipes, published_recipe


@pytest.mark.parametrize("name", ["alexnet", "googlenet", "efficientnet_b0", "convnext_tiny"])
def test_fine_tuning_keeps_network_and_images_and_replaces_what_would_destroy_the_weights(name):
    before, after = published_recipe(name), fine_tuning(published_recipe(name))
    assert (after.model, after.data, after.aux_weight) == (before.model, before.data, before.aux_weight)
    assert after.optimizer.learning_rate <= 0.01 and after.epochs <= before.epochs / 5
    assert (after.ema_decay, after.label_smoothing, after.augment.mixup, after.augment.cutmix) == (0, 0, 0, 0)


def test_every_named_recipe_fine_tunes_where_it_starts_from_weights_but_for_those_of_ones_own(monkeypatch):
    module = types.ModuleType("own_recipes")
    module.own = Recipe(model=ModelConfig(name="alexnet"), epochs=77)
    monkeypatch.setitem(sys.modules, "own_recipes", module)
    recipes = named_recipes(["own_recipes"], pretrained="runs/a")
    assert {recipe.model.pretrained for recipe in recipes.values()} == {"runs/a"}
    assert {recipe.epochs for name, recipe in recipes.items() if name != "own"} == {10.0}
    assert recipes["own"].epochs == 77
    assert named_recipes()["resnet50"].epochs == published_recipe("resnet50").epochs
