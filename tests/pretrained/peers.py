"""Which network of which zoo every entry of the catalogue must equal."""

import dataclasses
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).with_name("golden")
CLASSES = 10
TOLERANCE = 1e-4  # relative to the largest value
EXACT = 1e-5  # the same, where both sides compute in float64


@dataclasses.dataclass(frozen=True)
class Peer:
    """A network built by torch.

    Attributes:
      source: Whose names its weights have: "torchvision", "timm" or "pytorchcv".
      builder: The zoo's name of it; "composed:NAME" is put together from torch's layers in `composed.py`.
      thorough: Whether evaluation with measured statistics, and gradients, are compared as well; at least one of each
        family.
      size: Side of the images in pixels; 0 for the published one, which fully connected layers on a map need.
      images: Images in the batch; batch statistics over a handful of values are ill-conditioned.
      options: Options of `create_model` under which ours is the same network.
    """

    source: str
    builder: str
    thorough: bool = False
    size: int = 64
    images: int = 4
    options: dict[str, Any] = dataclasses.field(default_factory=dict)


PEERS = {
    "alexnet": Peer("pytorchcv", "composed:alexnet", size=0, images=2, thorough=True),
    "alexnet_single": Peer("pytorchcv", "alexnet", size=224, images=2),
    "alexnet_owt": Peer("torchvision", "alexnet", size=0, images=2),
    "zfnet": Peer("pytorchcv", "zfnet", size=0, images=2, thorough=True),
    "zfnet_b": Peer("pytorchcv", "zfnetb", size=0, images=2),
    "vgg11": Peer("torchvision", "vgg11", size=0, images=2),
    "vgg13": Peer("torchvision", "vgg13", size=0, images=2),
    "vgg16": Peer("torchvision", "vgg16", size=0, images=2),
    "vgg19": Peer("torchvision", "vgg19", size=0, images=2),
    "vgg16_lecture": Peer("torchvision", "composed:vgg16_lecture", size=0, images=2),
    "vgg19_lecture": Peer("torchvision", "composed:vgg19_lecture", size=0, images=2),
    "googlenet": Peer("torchvision", "composed:googlenet", size=0, images=2),
    "vgg11_bn": Peer("torchvision", "vgg11_bn", size=0, images=2, thorough=True),
    "vgg13_bn": Peer("torchvision", "vgg13_bn", size=0, images=2),
    "vgg16_bn": Peer("torchvision", "vgg16_bn", size=0, images=2),
    "vgg19_bn": Peer("torchvision", "vgg19_bn", size=0, images=2),
    "googlenet_bn": Peer("torchvision", "googlenet", thorough=True),
    "bn_inception": Peer("pytorchcv", "bninception", thorough=True),
    "inception_v3": Peer("torchvision", "inception_v3", size=0, images=2),
    "resnet18": Peer("torchvision", "resnet18", thorough=True),
    "resnet34": Peer("torchvision", "resnet34"),
    "resnet50": Peer("torchvision", "resnet50", thorough=True),
    "resnet101": Peer("torchvision", "resnet101"),
    "resnet152": Peer("torchvision", "resnet152"),
    "resnet50_v1": Peer("pytorchcv", "resnet50", thorough=True),
    "resnet101_v1": Peer("pytorchcv", "resnet101"),
    "resnet152_v1": Peer("pytorchcv", "resnet152"),
    "resnet18_option_a": Peer("torchvision", "composed:resnet18_option_a"),
    "resnet34_option_a": Peer("torchvision", "composed:resnet34_option_a"),
    "plain18": Peer("torchvision", "composed:plain18"),
    "plain34": Peer("torchvision", "composed:plain34"),
    "cifar_resnet20": Peer("torchvision", "composed:cifar_resnet20", thorough=True, size=32),
    "cifar_resnet32": Peer("torchvision", "composed:cifar_resnet32", size=32),
    "cifar_resnet44": Peer("torchvision", "composed:cifar_resnet44", size=32),
    "cifar_resnet56": Peer("torchvision", "composed:cifar_resnet56", size=32),
    "cifar_resnet110": Peer("torchvision", "composed:cifar_resnet110", size=32, images=2),
    "cifar_plain20": Peer("torchvision", "composed:cifar_plain20", thorough=True, size=32),
    "cifar_plain56": Peer("torchvision", "composed:cifar_plain56", size=32),
    "cifar_resnet20_option_b": Peer("pytorchcv", "resnet20_cifar10", thorough=True, size=32),
    "cifar_resnet56_option_b": Peer("pytorchcv", "resnet56_cifar10", size=32),
    "cifar_resnet110_option_b": Peer("pytorchcv", "resnet110_cifar10", size=32, images=2),
    "resnext50_32x4d": Peer("torchvision", "resnext50_32x4d", thorough=True),
    "resnext101_32x4d": Peer("pytorchcv", "resnext101_32x4d"),
    "resnext101_64x4d": Peer("torchvision", "resnext101_64x4d"),
    "resnext101_32x8d": Peer("torchvision", "resnext101_32x8d"),
    "mobilenet_v1": Peer("pytorchcv", "mobilenet_w1", thorough=True),
    "mobilenet_v1_0_75": Peer("pytorchcv", "mobilenet_w3d4"),
    "mobilenet_v1_0_5": Peer("pytorchcv", "mobilenet_wd2"),
    "mobilenet_v1_0_25": Peer("pytorchcv", "mobilenet_wd4"),
    "inception_v4": Peer("timm", "inception_v4", size=107),
    "inception_resnet_v2": Peer("timm", "inception_resnet_v2", size=107),
    "xception": Peer("timm", "legacy_xception", size=64, thorough=True),
    "se_resnet18": Peer("timm", "legacy_seresnet18", thorough=True),
    "se_resnet50": Peer("timm", "legacy_seresnet50"),
    "mobilenet_v2": Peer("torchvision", "mobilenet_v2", thorough=True),
    "squeezenet1_0": Peer("torchvision", "squeezenet1_0"),
    "squeezenet1_1": Peer("torchvision", "squeezenet1_1", thorough=True),
    "densenet121": Peer("torchvision", "densenet121", thorough=True),
    "densenet161": Peer("torchvision", "densenet161"),
    "densenet169": Peer("torchvision", "densenet169"),
    "densenet201": Peer("torchvision", "densenet201"),
    "shufflenet_v1_g1": Peer("pytorchcv", "shufflenet_g1_w1"),
    "shufflenet_v1_g2": Peer("pytorchcv", "shufflenet_g2_w1"),
    "shufflenet_v1_g3": Peer("pytorchcv", "shufflenet_g3_w1", thorough=True),
    "shufflenet_v1_g4": Peer("pytorchcv", "shufflenet_g4_w1"),
    "shufflenet_v1_g8": Peer("pytorchcv", "shufflenet_g8_w1"),
    "shufflenet_v2_x0_5": Peer("torchvision", "shufflenet_v2_x0_5"),
    "shufflenet_v2_x1_0": Peer("torchvision", "shufflenet_v2_x1_0", thorough=True),
    "shufflenet_v2_x1_5": Peer("torchvision", "shufflenet_v2_x1_5"),
    "shufflenet_v2_x2_0": Peer("torchvision", "shufflenet_v2_x2_0"),
    "convnext_tiny": Peer("torchvision", "convnext_tiny", thorough=True),
    "convnext_small": Peer("torchvision", "convnext_small"),
    "convnext_base": Peer("torchvision", "convnext_base"),
    "convnext_large": Peer("torchvision", "convnext_large"),
    "mnasnet0_5": Peer("torchvision", "mnasnet0_5", options={"momentum": 0.9997}, thorough=True),
    "mnasnet0_75": Peer("torchvision", "mnasnet0_75", options={"momentum": 0.9997}),
    "mnasnet1_0": Peer("torchvision", "mnasnet1_0", options={"momentum": 0.9997}),
    "mnasnet1_3": Peer("torchvision", "mnasnet1_3", options={"momentum": 0.9997}),
    "mobilenet_v3_large": Peer("torchvision", "mobilenet_v3_large"),
    "mobilenet_v3_small": Peer("torchvision", "mobilenet_v3_small", thorough=True),
    "efficientnet_b0": Peer("torchvision", "efficientnet_b0", thorough=True),
    "efficientnet_b1": Peer("torchvision", "efficientnet_b1"),
    "efficientnet_b2": Peer("torchvision", "efficientnet_b2"),
    "efficientnet_b3": Peer("torchvision", "efficientnet_b3"),
    "efficientnet_b4": Peer("torchvision", "efficientnet_b4"),
    "efficientnet_b5": Peer("torchvision", "efficientnet_b5"),
    "efficientnet_b6": Peer("torchvision", "efficientnet_b6"),
    "efficientnet_b7": Peer("torchvision", "efficientnet_b7"),
    "efficientnet_lite0": Peer("timm", "tf_efficientnet_lite0", options={"momentum": 0.9}, thorough=True),
    "efficientnet_lite1": Peer("timm", "tf_efficientnet_lite1", options={"momentum": 0.9}),
    "efficientnet_lite2": Peer("timm", "tf_efficientnet_lite2", options={"momentum": 0.9}),
    "efficientnet_lite3": Peer("timm", "tf_efficientnet_lite3", options={"momentum": 0.9}),
    "efficientnet_lite4": Peer("timm", "tf_efficientnet_lite4", options={"momentum": 0.9}),
    "preresnet50": Peer("pytorchcv", "preresnet50b", thorough=True),
    "preresnet101": Peer("pytorchcv", "preresnet101b"),
    "preresnet152": Peer("pytorchcv", "preresnet152b"),
    "preresnet200": Peer("pytorchcv", "preresnet200b"),
    "wide_resnet50_2": Peer("torchvision", "wide_resnet50_2", thorough=True),
    "wide_resnet101_2": Peer("torchvision", "wide_resnet101_2"),
    "wrn_28_10": Peer("pytorchcv", "wrn28_10_cifar10", size=32),
    "se_resnet101": Peer("timm", "legacy_seresnet101"),
    "se_resnet152": Peer("timm", "legacy_seresnet152"),
    "se_resnext50_32x4d": Peer("timm", "legacy_seresnext50_32x4d"),
    "se_resnext101_32x4d": Peer("timm", "legacy_seresnext101_32x4d"),
    "senet154": Peer("timm", "legacy_senet154"),
    "nasnet_a_mobile": Peer("pytorchcv", "nasnet_4a1056", size=96, thorough=True),
    "nasnet_a_large": Peer("timm", "nasnetalarge", size=72),
    "pnasnet5_large": Peer("timm", "pnasnet5large", size=72),
}
