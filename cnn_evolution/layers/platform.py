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
    own = _bound(plain, settings)
    if _plain.value:
        return own(*operands)
    return lax.platform_dependent(*operands, cpu=_compiled_once(ours, settings), default=own)


# Networks repeat shapes: JAX knows by the same function object what it has traced already.
@functools.lru_cache(maxsize=4096)
def _bound(function: Callable[..., T], settings: tuple[tuple[str, Any], ...]) -> Callable[..., T]:
    return functools.partial(function, **dict(settings))


@functools.lru_cache(maxsize=4096)
def _compiled_once(function: Callable[..., T], settings: tuple[tuple[str, Any], ...]) -> Callable[..., T]:
    """As a function within the program, of which there is one for each shape.

    XLA's own operations are not made functions: its CPU compiler gives their gradients to slow kernels then.
    """
    return jax.jit(_bound(function, settings))
