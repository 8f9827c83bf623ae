"""The published recipe of every network in the catalogue, for ImageNet.

Sources: the papers, and for ResNets also the authors' repositories. Where a paper lowers the learning rate by hand when
the error stalls, the epochs stated here are a plausible replay of that; each entry says so.
"""

import dataclasses

from cnn_evolution.catalogue import list_models, model_info
from cnn_evolution.training.recipe import (
    AugmentConfig,
    DataConfig,
    ModelConfig,
    OptimizerConfig,
    Recipe,
    ScheduleConfig,
)

_SGD = OptimizerConfig(name="sgd", learning_rate=0.01, momentum=0.9, weight_decay=5e-4, decay_on="all")

# Krizhevsky et al. 2012, section 5: batch 128, about 90 epochs, /10 three times by hand; the epochs are evenly spread.
# Colour noise: section 4.1. The loss decays all parameters alike.
_ALEXNET = Recipe(
    model=ModelConfig(name="alexnet"),
    augment=AugmentConfig(crop="fixed_scale", resize=256, pca_noise=0.1),
    optimizer=_SGD,
    schedule=ScheduleConfig(name="step", boundaries=(25.0, 50.0, 75.0)),
    epochs=90,
    batch_size=128,
)

# The papers up to 2014 subtract the mean from pixels of 0 to 255, and their initialisation counts on it.
_CENTRED = ("alexnet", "zfnet", "zfnet_b", "vgg11", "vgg13", "vgg16", "vgg19", "googlenet")

# Zeiler & Fergus 2014, section 3: batch 128, 70 epochs, rate lowered by hand. The paper uses ten fixed crops, which the
# random crop contains; weight decay is not stated, AlexNet's is used.
_ZFNET = dataclasses.replace(
    _ALEXNET,
    model=ModelConfig(name="zfnet"),
    augment=AugmentConfig(crop="fixed_scale", resize=256),
    schedule=ScheduleConfig(name="step", boundaries=(25.0, 45.0, 60.0)),
    epochs=70,
)

# Simonyan & Zisserman 2015, section 3.1: batch 256, 74 epochs, /10 three times by hand, scale jitter [256, 512].
_VGG = dataclasses.replace(
    _ALEXNET,
    model=ModelConfig(name="vgg16"),
    augment=AugmentConfig(crop="scale_jitter", resize=256, resize_high=512, pca_noise=0.1),
    schedule=ScheduleConfig(name="step", boundaries=(25.0, 50.0, 65.0)),
    epochs=74,
    batch_size=256,
)

# Szegedy et al. 2015, section 6: momentum 0.9, rate x 0.96 every 8 epochs, moving average of the weights, auxiliary
# losses at 0.3. Batch, rate, decay and length are not stated; batch and rate are those of the Caffe replica.
_GOOGLENET = Recipe(
    model=ModelConfig(name="googlenet"),
    augment=AugmentConfig(crop="inception"),
    optimizer=dataclasses.replace(_SGD, weight_decay=2e-4),
    schedule=ScheduleConfig(name="exponential", factor=0.96, every_epochs=8.0),
    epochs=250,
    batch_size=32,
    ema_decay=0.9999,
)

# Ioffe & Szegedy 2015, section 4.2: batch normalisation allows a larger rate that falls faster and less weight decay.
# Their numbers are for asynchronous training of another network; this is the recipe of ResNet below.
_GOOGLENET_BN = Recipe(
    model=ModelConfig(name="googlenet_bn"),
    augment=AugmentConfig(crop="inception"),
    schedule=ScheduleConfig(name="step", boundaries=(30.0, 60.0)),
    epochs=90,
)

# He et al. 2016, section 3.4: batch 256, rate 0.1, /10 when the error stalls, weight decay 1e-4, scale jitter
# [256, 480], colour noise; the epochs are those of the authors' Torch re-implementation (30, 60, 90).
_RESNET = Recipe(
    model=ModelConfig(name="resnet50"),
    augment=AugmentConfig(crop="scale_jitter", resize=256, resize_high=480, pca_noise=0.1),
    optimizer=OptimizerConfig(weight_decay=1e-4, decay_on="all"),
    schedule=ScheduleConfig(name="step", boundaries=(30.0, 60.0, 90.0)),
    epochs=100,
)

# Hu et al. 2018, section 5: batch 1024, rate 0.6, /10 every 30 epochs, 100 epochs, inception crops.
_SENET = Recipe(
    model=ModelConfig(name="se_resnet50"),
    augment=AugmentConfig(crop="inception"),
    optimizer=OptimizerConfig(learning_rate=0.6, weight_decay=1e-4),
    schedule=ScheduleConfig(name="step", boundaries=(30.0, 60.0, 90.0)),
    epochs=100,
    batch_size=1024,
)

_BY_FAMILY = {
    "AlexNet": _ALEXNET,
    "ZFNet": _ZFNET,
    "VGG": _VGG,
    "GoogLeNet": _GOOGLENET,
    "ResNet": _RESNET,
    "SENet": _SENET,
}
_BY_NAME = {"googlenet_bn": _GOOGLENET_BN}


def published_recipe(name: str) -> Recipe:
    """The recipe with which the network `name` was published, on ImageNet, at the size it was published for.

    Raises:
      ValueError: There is no such network, or no recipe for its family.
    """
    spec = model_info(name)
    recipe = _BY_NAME.get(name) or _BY_FAMILY.get(spec.family)
    if recipe is None:
        raise ValueError(f"there is no published recipe for {name!r} yet; give `experiments.train` another's")
    return dataclasses.replace(
        recipe,
        model=dataclasses.replace(recipe.model, name=name),
        data=DataConfig(
            size=spec.input_size,
            evaluation_resize=max(256, spec.input_size),
            pixels="centred" if name in _CENTRED else "standardised",
        ),
    )


def published_recipes() -> dict[str, Recipe]:
    """The published recipe of every network that has one, in order of history."""
    return {
        name: published_recipe(name)
        for name in list_models()
        if name in _BY_NAME or model_info(name).family in _BY_FAMILY
    }


# The embedded data set. One budget for all: epochs, batch, crops and schedule are equal, and only the width (so that
# networks cost about the same) and the learning rate (the best of a coarse search each) belong to the network. Networks
# without batch normalisation start from He's initialisation, because the published ones need days to leave the plateau.
_MINI = Recipe(
    model=ModelConfig(name="alexnet"),
    data=DataConfig(dataset="mini_ilsvrc", size=48, evaluation_resize=54),
    augment=AugmentConfig(crop="fixed_scale", resize=54),
    optimizer=OptimizerConfig(weight_decay=5e-4),
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
