import json

import pytest

from cnn_evolution.recipes import AdamW, DataConfig, ModelConfig, Recipe, RmsProp, Sgd, mini_recipes, published_recipes
from cnn_evolution.recipes.config import from_dict, to_dict

SHALLOW = Recipe(model=ModelConfig(name="resnet18", depths=(1, 1, 1, 1)))


@pytest.mark.parametrize(
    "recipe", [*published_recipes().values(), *mini_recipes().values(), SHALLOW], ids=lambda r: r.model.name
)
def test_every_recipe_survives_json(recipe):
    assert from_dict(json.loads(json.dumps(to_dict(recipe)))) == recipe


def test_the_depths_are_an_option_only_if_they_are_given():
    assert SHALLOW.model.options() == {"depths": (1, 1, 1, 1)}
    assert ModelConfig(name="resnet18").options() == {}
    with pytest.raises(ValueError, match=r"model\.depths is \(1, -1\); expected no number below 0"):
        ModelConfig(name="resnet18", depths=(1, -1))


def test_an_unknown_field_is_named_with_the_valid_ones():
    values = to_dict(Recipe(model=ModelConfig(name="alexnet")))
    values["optimizer"]["learning_rat"] = 1.0
    with pytest.raises(ValueError, match=r"unknown recipe field optimizer\.learning_rat; .*learning_rate"):
        from_dict(values)


def test_a_missing_model_is_named():
    with pytest.raises(ValueError, match=r"lacks the field model\.name"):
        from_dict({"model": {}})


def test_a_recipe_of_an_earlier_version_is_the_same_as_one_that_does_not_use_what_is_new():
    values = to_dict(Recipe(model=ModelConfig(name="alexnet")))
    assert not {"freeze", "running_statistics"} & values.keys() and not {"mean", "std"} & values["data"].keys()
    changed = Recipe(
        model=ModelConfig(name="alexnet"),
        data=DataConfig(mean=(0.5, 0.5, 0.5), std=(1.0, 1.0, 1.0)),
        freeze="conv1",
        running_statistics="all",
    )
    assert from_dict(json.loads(json.dumps(to_dict(changed)))) == changed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean": (0.5, 0.5, 0.5)}, r"data\.std is None; expected three numbers"),
        ({"mean": (0.5, 0.5, 0.5), "std": (1.0, 0.0, 1.0)}, r"data\.std is .* above 0"),
    ],
)
def test_a_scale_of_pixels_is_whole(change, message):
    with pytest.raises(ValueError, match=message):
        DataConfig(**change)


def test_an_unknown_update_rule_is_named_with_the_valid_ones():
    values = to_dict(Recipe(model=ModelConfig(name="alexnet")))
    values["optimizer"]["type"] = "adam"
    with pytest.raises(ValueError, match=r"optimizer\.type is 'adam'; expected one of sgd, rmsprop, adamw"):
        from_dict(values)


def test_update_rules_have_the_defaults_of_their_libraries():
    assert (Sgd().momentum, Sgd().weight_decay) == (0.9, 1e-4)
    assert (RmsProp().decay, RmsProp().momentum, RmsProp().epsilon) == (0.9, 0.0, 1e-7)
    assert (AdamW().b1, AdamW().b2, AdamW().epsilon, AdamW().weight_decay) == (0.9, 0.999, 1e-8, 1e-2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"epochs": float("inf")}, "epochs is inf; expected a finite number"),
        ({"batch_size": 10, "accumulate_steps": 3}, "a divisor of batch_size, 10"),
        ({"label_smoothing": 1.0}, "label_smoothing is 1.0"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**32}, "seed is 4294967296"),
    ],
)
def test_values_out_of_range_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        Recipe(model=ModelConfig(name="alexnet"), **change)


@pytest.mark.parametrize(
    ("rule", "change"),
    [(Sgd, {"momentum": 1.0}), (AdamW, {"b2": 1.0}), (RmsProp, {"decay": -0.1}), (Sgd, {"learning_rate": 0.0})],
)
def test_numbers_of_an_update_rule_out_of_range_are_named(rule, change):
    ((field, value),) = change.items()
    with pytest.raises(ValueError, match=f"optimizer.{field} is {value}; expected"):
        rule(**change)
