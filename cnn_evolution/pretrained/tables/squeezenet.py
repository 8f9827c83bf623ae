"""Names of SqueezeNet's layers."""

from cnn_evolution.models.squeezenet import FIRES, SqueezeNet
from cnn_evolution.pretrained.names import Names


def torchvision(model: SqueezeNet) -> str:
    """Torchvision numbers convolutions, ReLUs, fire modules and pools through."""
    lines, index = ["conv1 features.0"], 2
    for i in FIRES:
        index += i - 1 in model.pool_after
        lines.append(f"fire{i}/squeeze features.{index}.squeeze")
        lines.append(f"fire{i}/expand_{{size}} features.{index}.expand{{size}}")
        index += 1
    return "\n".join([*lines, "conv10 classifier.1"])


ZOOS = {"torchvision": Names(torchvision)}
