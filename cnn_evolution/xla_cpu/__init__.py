"""Convolution and max-pooling written for XLA's CPU compiler.

XLA compiles `lax.conv_general_dilated` for a CPU well in some cases and 10 to 1000 times too slowly in others: grouped
and depthwise kernels, gradients, small maps. Each file here restates one kind of convolution in operations that XLA
does compile well, and says by how much.

Shapes are Flax's: maps (N, H, W, C), kernels (h, w, C / groups, C'). Every kind has `forward`, `input_gradient` and
`weight_gradient`; all are ordinary differentiable JAX.
"""

from cnn_evolution.xla_cpu.convolution import forward, input_gradient, weight_gradient
from cnn_evolution.xla_cpu.library import ask_for_eigen, leave_it_to_jaxlib
from cnn_evolution.xla_cpu.pooling import MAX_POOL_TAPS, max_pool
from cnn_evolution.xla_cpu.window import Window

ask_for_eigen()

__all__ = [
    "MAX_POOL_TAPS",
    "Window",
    "forward",
    "input_gradient",
    "leave_it_to_jaxlib",
    "max_pool",
    "weight_gradient",
]
