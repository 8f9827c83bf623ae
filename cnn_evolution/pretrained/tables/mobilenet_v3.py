"""Names of MobileNetV3's layers."""

from cnn_evolution.models.mobilenet_v3 import MobileNetV3
from cnn_evolution.pretrained.names import Names


def torchvision(model: MobileNetV3) -> str:
    """Torchvision numbers blocks through, and a block's layers; not every block has an expansion and attention."""
    lines, index = ["conv1 features.0.0", "bn1 features.0.1"], 1
    channels = 16
    for s, rows in enumerate(model.stages, start=1):
        for b, row in enumerate(rows, start=1):
            names = ["expand"] if row.expanded != channels else []
            names += ["depthwise", "attention", "project"] if row.squeeze_excite else ["depthwise", "project"]
            for i, name in enumerate(names):
                ours, theirs = f"stage{s}_block{b}/{name}", f"features.{index}.block.{i}"
                if name == "attention":
                    lines += [f"{ours}/squeeze {theirs}.fc1 1x1", f"{ours}/excite {theirs}.fc2 1x1"]
                else:
                    lines += [f"{ours} {theirs}.0", f"{ours}_bn {theirs}.1"]
            index += 1
            channels = row.features
    lines += [f"conv2 features.{index}.0", f"bn2 features.{index}.1"]
    return "\n".join([*lines, "fc1 classifier.0", "fc classifier.3"])


ZOOS = {"torchvision": Names(torchvision)}
