import dataclasses
import json

import pytest

from cnn_evolution.training.mini_recipes import mini_recipes
from cnn_evolution.training.published_recipes import published_recipes
from cnn_evolution.training.recipe import ModelConfig, OptimizerConfig, Recipe, differences, from_json, to_json

SHALLOW = Recipe(model=ModelConfig(name="resnet18", depths=(1, 1, 1, 1)))


@pytest.mark.parametrize(
    "recipe", [*published_recipes().values(), *mini_recipes().values(), SHALLOW], ids=lambda r: r.model.name
)
def test_every_recipe_survives_json(recipe):
    assert from_json(to_json(recipe)) == recipe


def test_the_depths_are_an_option_only_if_they_are_given():
    assert SHALLOW.model.options() == {"depths": (1, 1, 1, 1)}
    assert ModelConfig(name="resnet18").options() == {}
    with pytest.raises(ValueError, match=r"model\.depths is \(1, -1\); expected no number below 0"):
        ModelConfig(name="resnet18", depths=(1, -1))


def test_an_unknown_field_is_named_with_the_valid_ones():
    values = json.loads(to_json(Recipe(model=ModelConfig(name="alexnet"))))
    values["optimizer"]["learning_rat"] = 1.0
    with pytest.raises(ValueError, match=r"unknown recipe field optimizer\.learning_rat; .*learning_rate"):
        from_json(json.dumps(values))


def test_a_missing_model_is_named():
    with pytest.raises(ValueError, match=r"lacks the field model\.name"):
        from_json('{"model": {}}')


def test_differences_name_fields_and_values():
    ours = Recipe(model=ModelConfig(name="alexnet"))
    theirs = dataclasses.replace(ours, seed=1, optimizer=OptimizerConfig(learning_rate=0.5))
    assert differences(ours, ours) == []
    assert differences(ours, theirs) == ["optimizer.learning_rate: 0.1 against 0.5", "seed: 0 against 1"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"epochs": float("inf")}, "epochs is inf; expected a finite number"),
        ({"batch_size": 10, "accumulate_steps": 3}, "a divisor of batch_size, 10"),
        ({"label_smoothing": 1.0}, "label_smoothing is 1.0"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_values_out_of_range_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        Recipe(model=ModelConfig(name="alexnet"), **change)
