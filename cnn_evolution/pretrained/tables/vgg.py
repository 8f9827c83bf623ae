"""Names of VGG's layers."""

from cnn_evolution.models.vgg import VGG
from cnn_evolution.pretrained.names import Names


def torchvision(model: VGG) -> str:
    """Torchvision numbers convolutions, normalisations, ReLUs and pools through."""
    lines, index = [], 0
    for stage, depth in enumerate(model.depths, start=1):
        for i in range(1, depth + 1):
            lines.append(f"conv{stage}_{i} features.{index}")
            lines.append(f"bn{stage}_{i} features.{index + 1}")
            index += 3 if model.batch_norm else 2
        index += 1
    return "\n".join([*lines, "fc6 classifier.0 flat:512", "fc7 classifier.3", "fc8 classifier.6"])


ZOOS = {"torchvision": Names(torchvision)}
