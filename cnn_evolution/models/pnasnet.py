"""PNASNet: C. Liu et al., "Progressive Neural Architecture Search", ECCV 2018 (arXiv 1712.00559, 2017).

A search that grows cells from simple to complex finds one (Fig. 1: PNASNet-5, five sums) that serves as normal and,
with stride 2, as reduction cell; three stages of four cells, the first of the second and third being reduction cells.
The large network has 216 channels in the operations of its first stage.
"""

import functools

from cnn_evolution.models.nasnet import NASNet, Plan

CELL_5 = Plan(
    sums=(
        (("sep5", "p"), ("max3", "p")),
        (("sep7", "h"), ("max3", "h")),
        (("sep5", "h"), ("sep3", "h")),
        (("sep3", "3"), ("max3", "h")),
        (("sep3", "p"), ("same", "h")),
    ),
    outputs=("1", "2", "3", "4", "5"),
)

VARIANTS = {
    "pnasnet5_large": functools.partial(
        NASNet, depths=(4, 4, 4), features=216, stem_features=96, normal=CELL_5, reduction=CELL_5
    ),
}
