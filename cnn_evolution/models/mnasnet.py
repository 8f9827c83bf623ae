"""MnasNet: M. Tan, B. Chen, R. Pang, V. Vasudevan, M. Sandler, A. Howard, Q. Le, "MnasNet: Platform-Aware Neural
Architecture Search for Mobile", CVPR 2019 (arXiv 1807.11626, 2018).

A search that times its candidates on a phone chooses filter sizes, expansions and depths of MobileNetV2's blocks, a
choice for each stage. This is model B1, found without channel attention (Table 2), at four multiples of its channels
(section 5.2); the first stage is a separable convolution, which is a block without expansion.
"""

import functools

import flax.linen as nn
from jax import Array

from cnn_evolution import layers
from cnn_evolution.models.mobilenet_v2 import InvertedResidual, Stage

STAGES = (
    Stage(1, 16, 1, 1),  # N x 112 x 112 x 16
    Stage(3, 24, 3, 2),  # N x 56 x 56 x 24
    Stage(3, 40, 3, 2, 5),  # N x 28 x 28 x 40
    Stage(6, 80, 3, 2, 5),  # N x 14 x 14 x 80
    Stage(6, 96, 2, 1),  # N x 14 x 14 x 96
    Stage(6, 192, 4, 2, 5),  # N x 7 x 7 x 192
    Stage(6, 320, 1, 1),  # N x 7 x 7 x 320
)


class MnasNet(layers.NormalisedNetwork, kw_only=True):
    """Images (N, 224, 224, 3) to logits (N, num_classes).

    Channels times `width` are rounded by `layers.make_divisible`; the last convolution has 1280 at every width.

    Attributes:
      stages: The blocks, by stages.
      momentum: The share of the old running statistics that training keeps at every step.
    """

    stages: tuple[Stage, ...] = STAGES
    dropout: float = 0.2
    momentum: float = 0.99

    def backbone(self, images: Array, train: bool) -> Array:
        scale, act = layers.scaled_divisible(self.width), self.act or nn.relu
        conv = functools.partial(layers.conv, use_bias=False, dtype=self.dtype, kernel_init=layers.HE_FAN_IN)
        norm = self.norm_layer(train, momentum=self.momentum)

        x = conv(scale(32), 3, 2, 1, name="conv1")(images)
        x = self.endpoint("stem", act(norm(name="bn1")(x)))  # N x 112 x 112 x 32
        for number, stage in enumerate(self.stages, start=1):
            for i in range(1, stage.depth + 1):
                block = InvertedResidual(
                    expanded=stage.expansion * x.shape[-1],
                    features=scale(stage.features),
                    conv=conv,
                    norm=norm,
                    act=act,
                    kernel_size=stage.kernel_size,
                    stride=stage.stride if i == 1 else 1,
                    name=f"stage{number}_block{i}",
                )
                x = block(x)
            x = self.endpoint(f"stage{number}", x)
        x = conv(1280, 1, name="conv2")(x)
        return self.endpoint("conv2", act(norm(name="bn2")(x)))  # N x 7 x 7 x 1280


VARIANTS = {
    "mnasnet0_5": functools.partial(MnasNet, width=0.5),
    "mnasnet0_75": functools.partial(MnasNet, width=0.75),
    "mnasnet1_0": functools.partial(MnasNet, width=1.0),
    "mnasnet1_3": functools.partial(MnasNet, width=1.3),
}
