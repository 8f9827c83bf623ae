"""Which network of which zoo every entry of the catalogue must equal."""

import dataclasses
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).with_name("golden")
CLASSES = 10


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
    "vgg11": Peer("torchvision", "vgg11", size=0, images=2),
    "vgg11_bn": Peer("torchvision", "vgg11_bn", size=0, images=2, thorough=True),
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
    "inception_v4": Peer("timm", "inception_v4", size=107),
    "inception_resnet_v2": Peer("timm", "inception_resnet_v2", size=107),
    "xception": Peer("timm", "legacy_xception", size=64, thorough=True),
    "se_resnet18": Peer("timm", "legacy_seresnet18", thorough=True),
    "se_resnet50": Peer("timm", "legacy_seresnet50"),
}
