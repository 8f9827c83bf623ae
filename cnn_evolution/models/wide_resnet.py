"""Wide ResNet for ImageNet: S. Zagoruyko, N. Komodakis, "Wide Residual Networks", BMVC 2016 (arXiv 1605.07146).

ResNets whose bottlenecks have twice the channels, and the stride, in their 3 x 3 convolutions: wider instead of deeper
(section 3.4).
The paper's networks for CIFAR are in `preresnet.py`, whose blocks they have.
"""

import functools

from cnn_evolution.models.resnet import Bottleneck, ResNet

wide = functools.partial(Bottleneck, widening=2)

VARIANTS = {
    "wide_resnet50_2": functools.partial(ResNet, block=wide, depths=(3, 4, 6, 3)),
    "wide_resnet101_2": functools.partial(ResNet, block=wide, depths=(3, 4, 23, 3)),
}
