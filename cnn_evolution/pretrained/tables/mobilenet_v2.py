"""Names of MobileNetV2's layers."""

from cnn_evolution.models.mobilenet_v2 import MobileNetV2
from cnn_evolution.pretrained.names import Names


def torchvision(model: MobileNetV2) -> str:
    """Torchvision numbers blocks through, and a block's layers; blocks without expansion have one less."""
    blocks = [(s, b, stage) for s, stage in enumerate(model.stages, start=1) for b in range(1, stage.depth + 1)]
    lines = ["conv1 features.0.0", "bn1 features.0.1"]
    for index, (s, b, stage) in enumerate(blocks, start=1):
        first = 0 if stage.expansion == 1 else 1
        for name, layer in (
            ("expand", "0.0"),
            ("expand_bn", "0.1"),
            ("depthwise", f"{first}.0"),
            ("depthwise_bn", f"{first}.1"),
            ("project", f"{first + 1}"),
            ("project_bn", f"{first + 2}"),
        ):
            lines.append(f"stage{s}_block{b}/{name} features.{index}.conv.{layer}")
    end = len(blocks) + 1
    return "\n".join([*lines, f"conv2 features.{end}.0", f"bn2 features.{end}.1", "fc classifier.1"])


ZOOS = {"torchvision": Names(torchvision)}
