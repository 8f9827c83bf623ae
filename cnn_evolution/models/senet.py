"""SENet: J. Hu, L. Shen, G. Sun, "Squeeze-and-Excitation Networks", CVPR 2018 (arXiv 1709.01507, 2017).

ResNets whose blocks gate their channels before the addition (Fig. 3), with the reduction of 16 that the paper chooses.
The authors' Caffe networks, and timm's `legacy_seresnet`, have a stage's stride in the first 1 x 1 convolution and a
stem pool that rounds up without padding; so it is here.

Deviations: `se_resnet18` is not in the paper; it is the same composition on ResNet-18, and equals timm's
`legacy_seresnet18`.
"""

import functools

from cnn_evolution import layers
from cnn_evolution.models.resnet import BasicBlock, ResNet, bottleneck_v1

se_resnet = functools.partial(ResNet, attention=layers.SqueezeExcite, ceil_pool=True)

VARIANTS = {
    "se_resnet18": functools.partial(se_resnet, block=BasicBlock, depths=(2, 2, 2, 2)),
    "se_resnet50": functools.partial(se_resnet, block=bottleneck_v1, depths=(3, 4, 6, 3)),
}
