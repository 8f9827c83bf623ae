"""ResNets for CIFAR-10: K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016
(arXiv 1512.03385, 2015), section 4.2.

A 3 x 3 convolution and three stages of basic blocks on maps of 32, 16 and 8 pixels; n blocks in each make 6n + 2
layers. All shortcuts are without parameters (option A), so that the plain networks, which lack them, have the same
parameters. pytorchcv's have projections (the `_option_b` variants).
"""

import functools

from cnn_evolution.models.resnet import BasicBlock, ResNet

resnet = functools.partial(
    ResNet, block=BasicBlock, features=(16, 32, 64), stem=((16, 3),), stem_pool=False, stem_stride=1, num_classes=10
)

VARIANTS = {
    "cifar_resnet20": functools.partial(resnet, depths=(3, 3, 3), shortcut="A"),
    "cifar_resnet32": functools.partial(resnet, depths=(5, 5, 5), shortcut="A"),
    "cifar_resnet44": functools.partial(resnet, depths=(7, 7, 7), shortcut="A"),
    "cifar_resnet56": functools.partial(resnet, depths=(9, 9, 9), shortcut="A"),
    "cifar_resnet110": functools.partial(resnet, depths=(18, 18, 18), shortcut="A"),
    "cifar_plain20": functools.partial(resnet, depths=(3, 3, 3), shortcut="none"),
    "cifar_plain56": functools.partial(resnet, depths=(9, 9, 9), shortcut="none"),
    "cifar_resnet20_option_b": functools.partial(resnet, depths=(3, 3, 3)),
    "cifar_resnet56_option_b": functools.partial(resnet, depths=(9, 9, 9)),
    "cifar_resnet110_option_b": functools.partial(resnet, depths=(18, 18, 18)),
}
