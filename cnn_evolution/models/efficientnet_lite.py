"""EfficientNet-Lite: EfficientNet for phones, published by its authors in 2020 as code
(github.com/tensorflow/tpu, models/official/efficientnet/lite).

EfficientNet without what phones compute slowly or store badly in 8 bits: no channel attention, and ReLU6 in place of
swish. Scaling leaves the stem, the head and the depths of the first and the last stage as they are in Lite0.
"""

import functools
import math

import flax.linen as nn
from jax import Array

from cnn_evolution import layers
from cnn_evolution.models.efficientnet import STAGES
from cnn_evolution.models.mobilenet_v2 import InvertedResidual, Stage


class EfficientNetLite(layers.NormalisedNetwork, kw_only=True):
    """Images (N, 224, 224, 3), or larger ones, to logits (N, num_classes).

    The channels of the stages times `width` are rounded by `layers.make_divisible`; the first convolution has 32 and
    the last 1280 at every width. Padding is TensorFlow's "SAME".

    Attributes:
      depth_multiplier: Factor on the number of blocks in every stage but the first and the last, rounded up.
      stages: The blocks of Lite0, by stages.
      drop_path: How often training would drop the branch of a block after the last; from the first, which it never
        drops, the chance grows evenly.
      momentum: The share of the old running statistics that training keeps at every step.
      epsilon: Added to the variances of batch normalisation.
    """

    depth_multiplier: float = 1.0
    stages: tuple[Stage, ...] = STAGES
    dropout: float = 0.2
    drop_path: float = 0.2
    momentum: float = 0.99
    epsilon: float = 1e-3

    @property
    def depths(self) -> list[int]:
        """The number of blocks in every stage."""
        ends = (0, len(self.stages) - 1)
        factors = [1 if i in ends else self.depth_multiplier for i in range(len(self.stages))]
        return [math.ceil(stage.depth * factor) for stage, factor in zip(self.stages, factors, strict=True)]

    def backbone(self, images: Array, train: bool) -> Array:
        scale, act = layers.scaled_divisible(self.width), self.act or nn.relu6
        conv = functools.partial(layers.conv, use_bias=False, dtype=self.dtype, kernel_init=layers.HE_FAN_IN)
        norm = self.norm_layer(train, momentum=self.momentum, epsilon=self.epsilon)
        depths = self.depths

        x = conv(32, 3, 2, "SAME", name="conv1")(images)
        x = self.endpoint("stem", act(norm(name="bn1")(x)))  # N x 112 x 112 x 32
        for number, (stage, depth) in enumerate(zip(self.stages, depths, strict=True), start=1):
            for i in range(1, depth + 1):
                before = sum(depths[: number - 1]) + i - 1
                block = InvertedResidual(
                    expanded=stage.expansion * x.shape[-1],
                    features=scale(stage.features),
                    conv=conv,
                    norm=norm,
                    act=act,
                    kernel_size=stage.kernel_size,
                    stride=stage.stride if i == 1 else 1,
                    padding="SAME",
                    drop_path=self.drop_path * before / sum(depths),
                    train=train,
                    name=f"stage{number}_block{i}",
                )
                x = block(x)
            x = self.endpoint(f"stage{number}", x)
        x = conv(1280, 1, name="conv2")(x)
        return self.endpoint("conv2", act(norm(name="bn2")(x)))  # N x 7 x 7 x 1280


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
