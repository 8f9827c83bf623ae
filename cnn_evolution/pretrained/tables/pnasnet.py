"""Names of PNASNet's layers."""

from cnn_evolution.models.nasnet import NASNet
from cnn_evolution.pretrained.names import Names
from cnn_evolution.pretrained.tables.nasnet import TIMM_OPERATIONS, TIMM_STEM, lines_of_cells


def timm(model: NASNet) -> str:
    """Timm numbers the cells of all stages through."""
    names = [f"stage{stage}_cell{i}" for stage, depth in enumerate(model.depths, 1) for i in range(1, depth + 1)]
    cells = TIMM_STEM | {name: f"cell_{i}" for i, name in enumerate(names)}
    table = """
        conv1  conv_0.conv
        bn1    conv_0.bn
        fc     last_linear
    """
    halves = """
        halve_even  conv_prev_1x1.path_1.conv
        halve_odd   conv_prev_1x1.path_2.conv
        halve_bn    conv_prev_1x1.final_path_bn
    """
    return table + lines_of_cells(cells, TIMM_OPERATIONS + halves)


ZOOS = {"timm": Names(timm)}
