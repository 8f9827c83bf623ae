"""Recipes: training runs as data, and the tasks that they describe."""

from cnn_evolution.recipes.build import build
from cnn_evolution.recipes.config import (
    AdamW,
    AugmentConfig,
    DataConfig,
    ModelConfig,
    Recipe,
    RmsProp,
    ScheduleConfig,
    Sgd,
)
from cnn_evolution.recipes.mini import mini_recipe, mini_recipes, smoke_recipe
from cnn_evolution.recipes.registry import named_recipes, published_recipe, published_recipes
from cnn_evolution.recipes.runs import evaluate_runs, load_classifier, load_run, train
from cnn_evolution.recipes.tuning import fine_tuning

__all__ = [
    "AdamW",
    "AugmentConfig",
    "DataConfig",
    "ModelConfig",
    "Recipe",
    "RmsProp",
    "ScheduleConfig",
    "Sgd",
    "build",
    "evaluate_runs",
    "fine_tuning",
    "load_classifier",
    "load_run",
    "mini_recipe",
    "mini_recipes",
    "named_recipes",
    "published_recipe",
    "published_recipes",
    "smoke_recipe",
    "train",
]
