"""JAX's primitive operations, sorted by what they mean for cost."""

from collections.abc import Sequence
from typing import Any

from cnn_evolution.analysis.graph import Operation

POOLS = {"reduce_window_max": "max pool", "reduce_window_sum": "avg pool"}

# They show the same numbers, or some of them, in another order or shape.
VIEWS = frozenset(
    ("broadcast_in_dim", "expand_dims", "reshape", "scan_slice", "slice", "split", "squeeze", "transpose")
)

# They take a few operations a number, which compilers fuse with one another; statistics over channels are among them.
_POINTWISE = """
abs acos acosh add add_any and argmax argmin asin asinh atan atan2 atanh cbrt ceil clamp conj convert_element_type
copy copy_p cos cosh device_put digamma div dynamic_slice dynamic_update_slice eq erf erf_inv erfc exp exp2 expm1
floor gather ge gt igamma integer_pow iota is_finite le lgamma log log1p logistic lt max min mul name ne neg
nextafter not optimization_barrier or pad pow pvary random_bits random_clone random_fold_in random_seed
random_unwrap random_wrap real reduce_and reduce_max reduce_min reduce_or reduce_precision reduce_prod reduce_sum
reduce_xor rem rev round rsqrt scan_stack select_n sharding_constraint shift_left shift_right_arithmetic
shift_right_logical sign sin sinh sqrt square stop_gradient sub tan tanh threefry2x32 xor
"""
POINTWISE = frozenset(_POINTWISE.split())


def is_pointwise(operation: Operation, shapes: Sequence[Any]) -> bool:
    """Whether an operation is a view, point-wise, or a statistic over channels: whether it has no row of its own."""
    return operation.primitive in VIEWS | POINTWISE and not is_global_pool(operation, shapes)


def is_global_pool(operation: Operation, shapes: Sequence[Any]) -> bool:
    """Whether an operation reduces maps (N, H, W, C) to (N, C)."""
    return (
        operation.primitive in {"reduce_sum", "reduce_max"}
        and len(shapes[operation.inputs[0]].shape) == 4
        and len(shapes[operation.outputs[0]].shape) == 2
    )
