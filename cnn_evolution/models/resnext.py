"""ResNeXt: S. Xie, R. Girshick, P. Dollar, Z. Tu, K. He, "Aggregated Residual Transformations for Deep Neural
Networks", CVPR 2017 (arXiv 1611.05431, 2016).

ResNets whose 3 x 3 convolutions are grouped: many narrow paths side by side cost no more than one wide path and see
more (Fig. 3c, Table 1). `32x4d` means 32 groups, of 4 channels each in the first stage. Strides are in the 3 x 3
convolution (section 4).
"""

import functools

from cnn_evolution.models.resnet import Bottleneck, ResNet

# The first stage of ResNet-50 has 64 channels; 32 groups of 4 have 128.
block_32x4d = functools.partial(Bottleneck, groups=32, widening=2)
block_32x8d = functools.partial(Bottleneck, groups=32, widening=4)
block_64x4d = functools.partial(Bottleneck, groups=64, widening=4)

VARIANTS = {
    "resnext50_32x4d": functools.partial(ResNet, block=block_32x4d, depths=(3, 4, 6, 3)),
    "resnext101_32x4d": functools.partial(ResNet, block=block_32x4d, depths=(3, 4, 23, 3)),
    "resnext101_64x4d": functools.partial(ResNet, block=block_64x4d, depths=(3, 4, 23, 3)),
    "resnext101_32x8d": functools.partial(ResNet, block=block_32x8d, depths=(3, 4, 23, 3)),
}
