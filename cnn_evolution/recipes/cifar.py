"""The published recipes of the networks that were made for CIFAR-10, by module and by name as those for ImageNet."""

from dataclasses import replace

from cnn_evolution.recipes.config import AugmentConfig, DataConfig, ScheduleConfig, Sgd
from cnn_evolution.recipes.imagenet import RESNET

# He et al. 2016, section 4.2: batch 128, rate 0.1, /10 after 32,000 and 48,000 of 64,000 steps, here of all 50,000
# images. In place of a crop from an image padded by 4 pixels, one from an image enlarged to 36: the shifts are half as
# large, and evaluation, on whole images, sees things at 8/9 of the size that training does.
_CIFAR_RESNET = replace(
    RESNET,
    data=DataConfig(dataset="cifar10", evaluation_split="test"),
    augment=AugmentConfig(crop="fixed_scale", resize=36),
    schedule=ScheduleConfig(name="step", boundaries=(81.92, 122.88)),
    epochs=163.84,
    batch_size=128,
)

# He et al. 2016, section 4.2: 110 layers start at a rate of 0.01 until the training error is below 80%, after about 400
# steps. Here the rate grows over as many.
_CIFAR_RESNET_110 = replace(_CIFAR_RESNET, schedule=replace(_CIFAR_RESNET.schedule, warmup_epochs=1.024))

# Zagoruyko & Komodakis 2016, section 3: batch 128, rate 0.1 x 0.2 at 60, 120 and 160 of 200 epochs, weight decay 5e-4,
# Nesterov's momentum. Images are padded by their reflections in place of zeros; here as for the ResNets on CIFAR-10.
_CIFAR_WIDE_RESNET = replace(
    _CIFAR_RESNET,
    optimizer=Sgd(nesterov=True, weight_decay=5e-4, decay_on="all"),
    schedule=ScheduleConfig(name="step", boundaries=(60.0, 120.0, 160.0), factor=0.2),
    epochs=200,
)

BY_MODULE = {"cifar_resnet": _CIFAR_RESNET}
BY_NAME = {
    **dict.fromkeys(("cifar_resnet110", "cifar_resnet110_option_b"), _CIFAR_RESNET_110),
    "wrn_28_10": _CIFAR_WIDE_RESNET,
}
