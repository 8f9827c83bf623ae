"""Which network of which zoo every entry of the catalogue must equal."""

import dataclasses
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).with_name("golden")
CLASSES = 10
TOLERANCE = 1e-4  # relative to the largest value


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
    "resnet18": Peer("torchvision", "resnet18", thorough=True),
    "resnet34": Peer("torchvision", "resnet34"),
    "resnet50": Peer("torchvision", "resnet50", thorough=True),
    "resnet101": Peer("torchvision", "resnet101"),
    "resnet152": Peer("torchvision", "resnet152"),
    "resnet50_v1": Peer("pytorchcv", "resnet50", thorough=True),
    "resnet101_v1": Peer("pytorchcv", "resnet101"),
    "resnet152_v1": Peer("pytorchcv", "resnet152"),
    "resnext50_32x4d": Peer("torchvision", "resnext50_32x4d", thorough=True),
    "resnext101_32x4d": Peer("pytorchcv", "resnext101_32x4d"),
    "resnext101_64x4d": Peer("torchvision", "resnext101_64x4d"),
    "resnext101_32x8d": Peer("torchvision", "resnext101_32x8d"),
    "mobilenet_v1": Peer("pytorchcv", "mobilenet_w1", thorough=True),
    "mobilenet_v1_0_75": Peer("pytorchcv", "mobilenet_w3d4"),
    "mobilenet_v1_0_5": Peer("pytorchcv", "mobilenet_wd2"),
    "mobilenet_v1_0_25": Peer("pytorchcv", "mobilenet_wd4"),
    "se_resnet18": Peer("timm", "legacy_seresnet18", thorough=True),
    "se_resnet50": Peer("timm", "legacy_seresnet50"),
    "mobilenet_v2": Peer("torchvision", "mobilenet_v2", thorough=True),
}
