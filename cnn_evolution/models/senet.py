"""SENet: J. Hu, L. Shen, G. Sun, "Squeeze-and-Excitation Networks", CVPR 2018 (arXiv 1709.01507, 2017).

ResNets and ResNeXts whose blocks gate their channels before the addition (Fig. 3), with the reduction of 16 that the
paper chooses. The authors' Caffe networks, and timm's `legacy_se*`, have a stem pool that rounds up without padding,
and in SE-ResNets a stage's stride in the first 1 x 1 convolution; so it is here. `senet154` is the network that won
ILSVRC 2017 (appendix): a stem of three 3 x 3 convolutions, 64 groups, half the channels in each first 1 x 1
convolution, 3 x 3 projections, dropout.
"""

import functools

from cnn_evolution import layers
from cnn_evolution.models.resnet import BasicBlock, Bottleneck, ResNet, bottleneck_v1
from cnn_evolution.models.resnext import block_32x4d

se = functools.partial(ResNet, attention=layers.SqueezeExcite, ceil_pool=True)
block_18 = functools.partial(BasicBlock, branch_act=True)
block_154 = functools.partial(Bottleneck, widening=4, groups=64, reduction=2, projection=3)

VARIANTS = {
    "se_resnet18": functools.partial(se, block=block_18, depths=(2, 2, 2, 2)),
    "se_resnet50": functools.partial(se, block=bottleneck_v1, depths=(3, 4, 6, 3)),
    "se_resnet101": functools.partial(se, block=bottleneck_v1, depths=(3, 4, 23, 3)),
    "se_resnet152": functools.partial(se, block=bottleneck_v1, depths=(3, 8, 36, 3)),
    "se_resnext50_32x4d": functools.partial(se, block=block_32x4d, depths=(3, 4, 6, 3)),
    "se_resnext101_32x4d": functools.partial(se, block=block_32x4d, depths=(3, 4, 23, 3)),
    "senet154": functools.partial(
        se, block=block_154, depths=(3, 8, 36, 3), stem=((64, 3), (64, 3), (128, 3)), dropout=0.2
    ),
}
