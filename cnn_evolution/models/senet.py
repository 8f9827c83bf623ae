"""SENet: J. Hu, L. Shen, G. Sun, "Squeeze-and-Excitation Networks", CVPR 2018 (arXiv 1709.01507, 2017).

ResNets whose blocks gate their channels before the addition (Fig. 3), with the reduction of 16 that the paper chooses.
The authors' Caffe networks, and timm's `legacy_seresnet`, have a stage's stride in the first 1 x 1 convolution and a
stem pool that rounds up without padding; so it is here.

Deviations: `se_resnet18` is not in the paper; it is the same composition on ResNet-18, and equals timm's
`legacy_seresnet18`.
"""

import functools

from cnn_evolution import layers
from cnn_evolution.models.resnet import BasicBlock, ModuleDef, ResNet, bottleneck_v1
from cnn_evolution.spec import ModelSpec

VARIANTS: dict[str, tuple[ModuleDef, tuple[int, ...], int, int, str]] = {
    # name: (block, depths, parameters, multiply-accumulates, deviations)
    "se_resnet18": (
        BasicBlock,
        (2, 2, 2, 2),
        11_778_592,
        1_814_160_384,
        "Not in the paper: its composition on ResNet-18.",
    ),
    "se_resnet50": (bottleneck_v1, (3, 4, 6, 3), 28_088_024, 3_860_488_192, ""),
}

SPECS = tuple(
    ModelSpec(
        name=name,
        family="SENet",
        year=2017,
        paper="Hu, Shen, Sun, CVPR 2018 (arXiv 1709.01507)",
        build=functools.partial(ResNet, block=block, depths=depths, attention=layers.SqueezeExcite, ceil_pool=True),
        params=params,
        macs=macs,
        min_input_size=5,
        deviations=deviations,
    )
    for name, (block, depths, params, macs, deviations) in VARIANTS.items()
)
