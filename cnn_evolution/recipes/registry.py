"""Looking recipes up by name."""

import importlib
from collections.abc import Sequence
from dataclasses import replace

from cnn_evolution.models import list_models, model_info
from cnn_evolution.recipes import cifar, imagenet
from cnn_evolution.recipes.config import Recipe
from cnn_evolution.recipes.mini import mini_recipes
from cnn_evolution.recipes.tuning import fine_tuning

_BY_NAME = imagenet.BY_NAME | cifar.BY_NAME
_BY_MODULE = imagenet.BY_MODULE | cifar.BY_MODULE


def published_recipe(name: str) -> Recipe:
    """The recipe with which the network `name` was published, at the size it was published for.

    Raises:
      ValueError: There is no such network, or no recipe for its family.
    """
    spec = model_info(name)
    recipe = _recipe_of_family(name)
    if recipe is None:
        raise ValueError(f"there is no published recipe for {name!r}; give `experiments.train` another's")
    if recipe.data.dataset == "cifar10":
        evaluation_resize = spec.input_size
    elif spec.family == "EfficientNet":  # the authors' code leaves out 16 pixels at every side
        evaluation_resize = spec.input_size + 32
    else:  # the papers' 256, and where that is too small the central 7/8 of Google's code
        evaluation_resize = 256 if spec.input_size < 256 else round(spec.input_size * 8 / 7)
    return replace(
        recipe,
        model=replace(recipe.model, name=name),
        data=replace(recipe.data, size=spec.input_size, evaluation_resize=evaluation_resize),
    )


def published_recipes() -> dict[str, Recipe]:
    """The published recipe of every network that has one, in order of history."""
    return {name: published_recipe(name) for name in list_models() if _recipe_of_family(name)}


def named_recipes(modules: Sequence[str] = (), *, pretrained: str | None = None) -> dict[str, Recipe]:
    """Every recipe by the name that a command line takes.

    That is the network's, with "mini-" in front for the embedded data set, or, for a recipe that one of `modules`
    defines, the name of its variable.

    Modules may register networks besides, or instead, for the recipes of others.

    Args:
      modules: Names of modules to import.
      pretrained: Trained weights to start from (`ModelConfig.pretrained`): the recipes become those of fine-tuning, but
        for the modules', which stay as they are.

    Raises:
      ModuleNotFoundError: There is no such module.
      ValueError: It defines no recipe and registers no network, or defines a recipe by a name that is taken.
    """
    recipes = published_recipes() | {f"mini-{name}": recipe for name, recipe in mini_recipes().items()}
    if pretrained is not None:
        recipes = {name: fine_tuning(recipe) for name, recipe in recipes.items()}
    for module in modules:
        networks = list_models()
        found = {name: one for name, one in vars(importlib.import_module(module)).items() if isinstance(one, Recipe)}
        if not found and networks == list_models():
            raise ValueError(
                f"the module {module!r} defines no recipe and registers no network; expected a variable that is a "
                "Recipe, or a call of cnn_evolution.register"
            )
        if taken := sorted(recipes.keys() & found.keys()):
            raise ValueError(f"the module {module!r} defines a recipe {taken[0]!r}, which there is already; rename it")
        recipes |= found
    if pretrained is not None:
        recipes = {name: replace(one, model=replace(one.model, pretrained=pretrained)) for name, one in recipes.items()}
    return recipes


def _recipe_of_family(name: str) -> Recipe | None:
    return _BY_NAME.get(name) or _BY_MODULE.get(model_info(name).module)
