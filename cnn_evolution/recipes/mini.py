"""The recipes of narrow networks on the embedded data set, for minutes on two cores."""

import dataclasses

from cnn_evolution.recipes.config import AugmentConfig, DataConfig, ModelConfig, Recipe, ScheduleConfig, Sgd

# One budget for all: epochs, batch, crops and schedule are equal, and only the width (so that networks cost about the
# same) and the learning rate (the best of a coarse search each) belong to the network. Networks without batch
# normalisation start from He's initialisation, because the published ones need days to leave the plateau.
_MINI = Recipe(
    model=ModelConfig(name="alexnet"),
    data=DataConfig(dataset="mini_ilsvrc", size=48, evaluation_resize=54),
    augment=AugmentConfig(crop="fixed_scale", resize=54),
    optimizer=Sgd(weight_decay=5e-4),
    schedule=ScheduleConfig(name="cosine", warmup_epochs=0.1),
    epochs=1.0,
    batch_size=32,
)

# The network, its learning rate, and its largest gradient norm (0: no clipping).
_MINI_NETWORKS = {
    config.name: (config, learning_rate, clip_norm)
    for config, learning_rate, clip_norm in (
        (ModelConfig(name="alexnet", width=0.5, dropout=0.1, initialisation="he"), 0.02, 2.0),
        (ModelConfig(name="zfnet", width=0.375, dropout=0.1, initialisation="he"), 0.03, 2.0),
        (ModelConfig(name="vgg11", width=0.25, dropout=0.1, initialisation="he"), 0.02, 2.0),
        (ModelConfig(name="vgg11_bn", width=0.25, dropout=0.1), 0.03, 0.0),
        (ModelConfig(name="googlenet", width=0.25, stem_stride=1, dropout=0.1, initialisation="he"), 0.02, 2.0),
        (ModelConfig(name="googlenet_bn", width=0.25, stem_stride=1, dropout=0.1), 0.05, 0.0),
        (ModelConfig(name="resnet18", width=0.5), 0.05, 0.0),
        (ModelConfig(name="se_resnet18", width=0.5), 0.05, 0.0),
    )
}


def mini_recipe(name: str) -> Recipe:
    """The recipe of a narrow network on the embedded data set.

    Raises:
      ValueError: There is none for this network.
    """
    if name not in _MINI_NETWORKS:
        raise ValueError(f"there is no mini recipe for {name!r}; there are {', '.join(_MINI_NETWORKS)}")
    model, learning_rate, clip_norm = _MINI_NETWORKS[name]
    optimizer = dataclasses.replace(_MINI.optimizer, learning_rate=learning_rate, clip_norm=clip_norm)
    return dataclasses.replace(_MINI, model=model, optimizer=optimizer)


def mini_recipes() -> dict[str, Recipe]:
    """The mini recipe of every network that has one."""
    return {name: mini_recipe(name) for name in _MINI_NETWORKS}


def smoke_recipe(name: str) -> Recipe:
    """The mini recipe cut to a few steps of a still narrower network on few images, to check that everything runs."""
    recipe = mini_recipe(name)
    model = dataclasses.replace(recipe.model, width=0.0625)
    data = dataclasses.replace(recipe.data, dataset="mini_ilsvrc/tiny")
    return dataclasses.replace(recipe, model=model, data=data, epochs=0.3)
