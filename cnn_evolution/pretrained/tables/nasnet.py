"""Names of NASNet's layers."""

from collections.abc import Mapping

from cnn_evolution.models.nasnet import NASNet
from cnn_evolution.pretrained.names import Names


def lines_of_cells(cells: Mapping[str, str], layers: str) -> str:
    """A table's lines for the layers of every cell, given our and the zoo's names of the cells and of the layers."""
    rows = [line.split() for line in layers.splitlines() if line.strip()]
    return "\n".join(f"{ours}/{row[0]} {theirs}.{row[1]}" for ours, theirs in cells.items() for row in rows)


PYTORCHCV = """
    conv1  features.init_block.conv
    bn1    features.init_block.bn
    fc     output.fc
""" + lines_of_cells(
    {"stem_cell{s}": "features.stem{s}_unit", "stage{s}_cell{b}": "features.stage{s}.unit{b}"},
    """
    squeeze_{x}                 conv1x1.{x}
    previous_{x}                conv1x1_prev.{x}
    halve_even                  path.path1.conv
    halve_odd                   path.path2.conv
    halve_bn                    path.bn
    sum{i}_{side}/depthwise{n}  comb{i-1}_{side}.conv{n}.conv.dw_conv
    sum{i}_{side}/pointwise{n}  comb{i-1}_{side}.conv{n}.conv.pw_conv
    sum{i}_{side}/bn{n}         comb{i-1}_{side}.conv{n}.bn
    """,
)

TIMM_STEM = {"stem_cell1": "cell_stem_0", "stem_cell2": "cell_stem_1"}
TIMM_OPERATIONS = """
    sum{i}_{side}/depthwise{n}  comb_iter_{i-1}_{side}.separable_{n}.depthwise_conv2d
    sum{i}_{side}/pointwise{n}  comb_iter_{i-1}_{side}.separable_{n}.pointwise_conv2d
    sum{i}_{side}/bn{n}         comb_iter_{i-1}_{side}.bn_sep_{n}
    sum{i}_{side}/{x}           comb_iter_{i-1}_{side}.{x}
    squeeze_{x}                 conv_1x1.{x}
    previous_{x}                conv_prev_1x1.{x}
"""


def timm(model: NASNet) -> str:
    """Timm numbers normal cells and reduction cells through, each on its own."""
    cells = dict(TIMM_STEM)
    normal = 0
    for stage, depth in enumerate(model.depths, start=1):
        for i in range(1, depth + 1):
            if stage > 1 and i == 1:
                cells[f"stage{stage}_cell1"] = f"reduction_cell_{stage - 2}"
            else:
                cells[f"stage{stage}_cell{i}"] = f"cell_{normal}"
                normal += 1
    table = """
        conv1  conv0.conv
        bn1    conv0.bn
        fc     last_linear
    """
    halves = """
        halve_even  path_1.conv
        halve_odd   path_2.conv
        halve_bn    final_path_bn
    """
    return table + lines_of_cells(cells, TIMM_OPERATIONS + halves)


ZOOS = {"timm": Names(timm), "pytorchcv": Names(PYTORCHCV)}
