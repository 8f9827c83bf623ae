"""The choice between XLA's own operation and this package's form of it for a CPU."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any, TypeVar

import jax
from jax import Array, lax

T = TypeVar("T")

_plain = jax.make_user_context(False)


def plain_convolutions() -> contextlib.AbstractContextManager[None]:
    """Within this context, convolution, max-pooling and normalisation are XLA's own on a CPU too.

    For comparisons, and for forward-mode differentiation (`jax.jvp`) on a CPU, which the forms for it do not support.
    Gradients of `jax.jvp` and `jax.jacfwd` need it on every platform, because JAX transforms both forms before one is
    lowered. It counts where a function is traced; `jax.jit` traces again when it changes.
    """
    return _plain(True)


def on_cpu(ours: Callable[..., T], plain: Callable[..., T], *operands: Array, **static: Any) -> T:
    """`ours(*operands, **static)` on a CPU and `plain(...)` elsewhere, decided when the program is lowered.

    Within `plain_convolutions()`, `plain` on a CPU too. Whatever is done to the result, a derivative say, is done to
    each of the two, so `ours` and its gradient appear in no program for another platform. The `static` values are
    hashable; each choice of them is traced once for operands of the same shapes.
    """
    settings = tuple(static.items())
    if _plain.value:
        return _bound(plain, settings)(*operands)
    return lax.platform_dependent(*operands, cpu=_bound(ours, settings), default=_bound(plain, settings))


@functools.lru_cache(maxsize=4096)
def _bound(function: Callable[..., T], settings: tuple[tuple[str, Any], ...]) -> Callable[..., T]:
    """The same function object for the same settings: networks repeat shapes, and each is traced and lowered once."""
    return jax.jit(functools.partial(function, **dict(settings)))
