"""What is computed once is an array in memory, in the compiled program too."""

import jax
import jax.numpy as jnp
import numpy as np

from cnn_evolution.xla_cpu.materialize import materialize


def sum_of_slices(of, x):
    y = of(jnp.sin, x)
    return y[:-2] + y[1:-1] * y[2:]


def directly(function, x):
    return function(x)


def takes_the_sine_for_every_slice(of):
    """Whether the compiled program takes the sine in the loop that multiplies the slices."""
    text = jax.jit(lambda x: sum_of_slices(of, x)).lower(jnp.ones((64, 32))).compile().as_text()
    assert " sine(" in text
    return any(" sine(" in loop and " multiply(" in loop for loop in text.split("}\n\n"))


def test_the_compiler_takes_the_sine_anew_for_every_slice_if_it_may():
    assert takes_the_sine_for_every_slice(directly)


def test_it_takes_the_sine_before_if_it_must():
    assert not takes_the_sine_for_every_slice(materialize)


def test_values_and_gradients_are_those_of_the_function():
    x = jnp.linspace(-1, 1, 20).reshape(5, 4)
    for of in (sum_of_slices, jax.grad(lambda of, x: sum_of_slices(of, x).sum(), argnums=1)):
        np.testing.assert_allclose(of(materialize, x), of(directly, x), rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(lambda x: materialize(jnp.sin, x))(x), jnp.sin(x), rtol=1e-6)
