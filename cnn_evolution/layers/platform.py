"""The choice between XLA's own operation and this package's form of it for a CPU."""

import contextlib
from collections.abc import Callable
from typing import TypeVar

import jax
from jax import Array, lax

T = TypeVar("T")

_plain = jax.make_user_context(False)


def plain_convolutions() -> contextlib.AbstractContextManager[None]:
    """Within this context, convolutions and max-pooling are XLA's own on every platform.

    For comparisons, and for forward-mode differentiation (`jax.jvp`), which the forms for a CPU do not support. It
    counts where a function is traced; `jax.jit` traces again when it changes.
    """
    return _plain(True)


def is_plain() -> bool:
    """Whether `plain_convolutions` is in force."""
    return _plain.value


def on_cpu(ours: Callable[..., T], plain: Callable[..., T], *operands: Array) -> T:
    """`ours(*operands)` on a CPU and `plain(*operands)` elsewhere, decided when the program is lowered."""
    return lax.platform_dependent(*operands, cpu=ours, default=plain)
