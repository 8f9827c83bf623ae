import flax.linen as nn
import jax
import jax.numpy as jnp

from cnn_evolution import layers


class Doubler(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = layers.endpoint(self, "fc", nn.Dense(2, name="fc")(x))
        return layers.endpoint(self, "doubled", 2 * x, "others")


def test_an_endpoint_is_kept_only_in_its_own_collection_and_if_that_is_mutable():
    x = jnp.ones((1, 2))
    variables = Doubler().init(jax.random.key(0), x)
    assert set(variables) == {"params"}
    y, state = Doubler().apply(variables, x, mutable=["endpoints"])
    assert set(state) == {"endpoints"}
    assert set(state["endpoints"]) == {"fc"}
    assert jnp.array_equal(2 * state["endpoints"]["fc"], y)
    _, state = Doubler().apply(variables, x, mutable=["others"])
    assert jnp.array_equal(state["others"]["doubled"], y)
    assert jnp.array_equal(Doubler().apply(variables, x), y)
