"""EfficientNet-Lite: EfficientNet for phones, published by its authors in 2020 as code
(github.com/tensorflow/tpu, models/official/efficientnet/lite).

EfficientNet without what phones compute slowly or store badly in 8 bits: no channel attention, and ReLU6 in place of
swish. Scaling leaves the stem, the head and the depths of the first and the last stage as they are in Lite0.
"""

import functools
import math

import flax.linen as nn
from jax import Array

from cnn_evolution.models.efficientnet import EfficientNet


class EfficientNetLite(EfficientNet, kw_only=True):
    """Images (N, 224, 224, 3), or larger ones, to logits (N, num_classes).

    The first convolution has 32 channels and the last 1280 at every width, and `depth_multiplier` leaves the first and
    the last stage as they are. Padding is TensorFlow's "SAME". The attributes are those of `EfficientNet`.
    """

    momentum: float = 0.99
    epsilon: float = 1e-3

    @property
    def depths(self) -> list[int]:
        """The number of blocks in every stage."""
        ends = (0, len(self.stages) - 1)
        factors = [1 if i in ends else self.depth_multiplier for i in range(len(self.stages))]
        return [math.ceil(stage.depth * factor) for stage, factor in zip(self.stages, factors, strict=True)]

    def backbone(self, images: Array, train: bool) -> Array:
        act = self.act or nn.relu6
        return self.trunk(images, train, stem=32, head=1280, act=act, padding="SAME", attention=None)


# factors on channels and blocks, and dropout
COEFFICIENTS = {
    "efficientnet_lite0": (1.0, 1.0, 0.2),
    "efficientnet_lite1": (1.0, 1.1, 0.2),
    "efficientnet_lite2": (1.1, 1.2, 0.3),
    "efficientnet_lite3": (1.2, 1.4, 0.3),
    "efficientnet_lite4": (1.4, 1.8, 0.3),
}

VARIANTS = {
    name: functools.partial(EfficientNetLite, width=width, depth_multiplier=depth_multiplier, dropout=dropout)
    for name, (width, depth_multiplier, dropout) in COEFFICIENTS.items()
}
