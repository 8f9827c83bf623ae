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
    "resnet18": Peer("torchvision", "resnet18", thorough=True),
    "resnet34": Peer("torchvision", "resnet34"),
    "resnet50": Peer("torchvision", "resnet50", thorough=True),
    "resnet101": Peer("torchvision", "resnet101"),
    "resnet152": Peer("torchvision", "resnet152"),
    "resnet50_v1": Peer("pytorchcv", "resnet50", thorough=True),
    "resnet101_v1": Peer("pytorchcv", "resnet101"),
    "resnet152_v1": Peer("pytorchcv", "resnet152"),
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
    "se_resnet18": Peer("timm", "legacy_seresnet18", thorough=True),
    "se_resnet50": Peer("timm", "legacy_seresnet50"),
    "shufflenet_v2_x0_5": Peer("torchvision", "shufflenet_v2_x0_5"),
    "shufflenet_v2_x1_0": Peer("torchvision", "shufflenet_v2_x1_0", thorough=True),
    "shufflenet_v2_x1_5": Peer("torchvision", "shufflenet_v2_x1_5"),
    "shufflenet_v2_x2_0": Peer("torchvision", "shufflenet_v2_x2_0"),
    "convnext_tiny": Peer("torchvision", "convnext_tiny", thorough=True),
    "convnext_small": Peer("torchvision", "convnext_small"),
    "convnext_base": Peer("torchvision", "convnext_base"),
    "convnext_large": Peer("torchvision", "convnext_large"),
}
