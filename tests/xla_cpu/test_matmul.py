"""Products of matrices equal NumPy's, whichever way is the fastest for their shapes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_evolution.xla_cpu.matmul import matmul, matmul_of_transpose
from cnn_evolution.xla_cpu.thresholds import MATMUL_LARGE, MATMUL_TALL

SHAPES = {
    "small": ((50, 3), (50, 7)),
    "large": ((1024, 256), (1024, 512)),
    "large, the first one wider": ((1024, 512), (1024, 256)),
    "tall": ((65536, 32), (65536, 64)),
    "tall, with a prime number of rows": ((65537, 64), (65537, 32)),
    "pairs": ((6, 50, 3), (6, 50, 7)),
}


def matrices(a, b, dtype=jnp.float32):
    random = np.random.default_rng(0)
    return tuple(jnp.asarray(random.normal(size=shape), dtype) for shape in (a, b))


def exact(a, b):
    return np.swapaxes(np.asarray(a, np.float64), -1, -2) @ np.asarray(b, np.float64)


@pytest.mark.parametrize("kind", SHAPES)
def test_matmul_of_transpose(kind):
    a, b = matrices(*SHAPES[kind])
    assert (a.size * b.shape[-1] >= MATMUL_LARGE) == ("large" in kind or "tall" in kind)
    assert (a.shape[-2] >= MATMUL_TALL * max(a.shape[-1], b.shape[-1])) == ("tall" in kind)
    expected = exact(a, b)
    actual = jax.jit(matmul_of_transpose)(a, b)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("kind", SHAPES)
def test_bfloat16_is_added_up_in_float32(kind):
    a, b = matrices(*SHAPES[kind], dtype=jnp.bfloat16)
    expected = exact(a, b)
    actual = matmul_of_transpose(a, b)
    assert actual.dtype == jnp.float32
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    assert matmul(a.swapaxes(-1, -2), b).dtype == jnp.float32
