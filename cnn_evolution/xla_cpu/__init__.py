"""Convolution, pooling and normalisation restated for XLA's CPU compiler.

XLA compiles `lax.conv_general_dilated` for a CPU well in some cases and many times too slowly in others: grouped and
depthwise kernels, gradients, small maps. Each file here restates one kind in operations that XLA does compile well;
`strategies.py` chooses between them by the numbers of `thresholds.py`.

All functions have reverse-mode gradients of any order and no forward mode: they are made for the branch of a program
that is lowered for a CPU.
"""

from cnn_evolution.xla_cpu import batch_norm
from cnn_evolution.xla_cpu.channel_sum import sum_of_neighbours
from cnn_evolution.xla_cpu.convolution import convolve
from cnn_evolution.xla_cpu.max_pool import MAX_POOL_TAPS, max_pool
from cnn_evolution.xla_cpu.problem import Problem
from cnn_evolution.xla_cpu.window import Window

__all__ = [
    "MAX_POOL_TAPS",
    "Problem",
    "Window",
    "batch_norm",
    "convolve",
    "max_pool",
    "sum_of_neighbours",
]
