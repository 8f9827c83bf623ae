"""Names of ConvNeXt's layers."""

from cnn_evolution.models.convnext import ConvNeXt
from cnn_evolution.pretrained.names import Names


def torchvision(model: ConvNeXt) -> str:
    """Torchvision numbers the stem, the stages and the changes of resolution between them through."""
    lines = ["stem features.0.0", "stem_norm features.0.1", "norm classifier.0", "fc classifier.2"]
    for stage in range(1, len(model.depths) + 1):
        ours, theirs = f"stage{stage}_block{{b}}", f"features.{2 * stage - 1}.{{b-1}}"
        lines += [
            f"downsample{stage}_norm      features.{2 * stage - 2}.0",
            f"downsample{stage}           features.{2 * stage - 2}.1",
            f"{ours}/depthwise            {theirs}.block.0",
            f"{ours}/norm                 {theirs}.block.2",
            f"{ours}/expand               {theirs}.block.3",
            f"{ours}/project              {theirs}.block.5",
            f"{ours}/layer_scale          {theirs}.layer_scale     column",
        ]
    return "\n".join(lines)


ZOOS = {"torchvision": Names(torchvision)}
