"""Names of Xception's layers."""

from cnn_evolution.pretrained.names import Names


def rows(ours: str, theirs: str, first: int) -> str:
    """The lines of a block; timm counts ReLUs and convolutions together, from the `first` convolution on."""
    lines = [f"{ours}/shortcut_conv {theirs}.skip", f"{ours}/shortcut_bn {theirs}.skipbn"]
    for number, index in enumerate(range(first, first + 9, 3), start=1):
        lines += [
            f"{ours}/sep{number}/depthwise {theirs}.rep.{index}.conv1",
            f"{ours}/sep{number}/pointwise {theirs}.rep.{index}.pointwise",
            f"{ours}/bn{number} {theirs}.rep.{index + 1}",
        ]
    return "\n".join(lines)


ZOOS = {
    "timm": Names(
        "\n".join(
            [
                rows("block1", "block1", first=0),  # it has no ReLU at the start
                rows("block{b}", "block{b}", first=1),
                rows("exit_block", "block12", first=1),
                """
                sep{n}/depthwise  conv{n}.conv1
                sep{n}/pointwise  conv{n}.pointwise
                conv{n}           conv{n}
                bn{n}             bn{n}
                fc                fc
                """,
            ]
        )
    ),
}
