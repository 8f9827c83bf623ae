"""The feature maps of a network, in evaluation and in training."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnn_evolution as ce
from tests.networks import Bare, Own


def test_features_are_the_named_maps_in_order():
    model = ce.create_model("resnet18", width=0.125, input_size=32, num_classes=10, depths=(1, 1, 1, 1))
    images = jax.random.normal(jax.random.key(0), (1, 32, 32, 3))

    @jax.jit
    def maps(key):
        variables = model.init(key, images)
        found = ce.features(model, variables, images)
        assert list(found) == ["stem", "stage1", "stage2", "stage3", "stage4", "pre_logits"]
        classifier = variables["params"]["fc"]
        return found["pre_logits"] @ classifier["kernel"] + classifier["bias"], model.apply(variables, images)

    assert jnp.allclose(*maps(jax.random.key(1, impl="rbg")), atol=1e-6)


@pytest.fixture
def own(register):
    """A registered network, its variables and images."""
    register(input_size=16, build=functools.partial(Own, dropout=0.5))
    model, images = ce.create_model("own"), jax.random.normal(jax.random.key(0), (4, 16, 16, 3))
    return model, model.init(jax.random.key(1), images), images


def test_features_in_training_mode_take_the_statistics_of_the_batch(own):
    model, variables, images = own
    before = jax.tree.map(np.array, variables)
    evaluated = ce.features(model, variables, images)
    mode = {"train": True, "rngs": {"dropout": jax.random.key(2)}}
    trained = ce.features(model, variables, images, **mode)
    assert list(trained) == list(evaluated) == ["stage1", "stage2", "pre_logits"]
    normalised = ce.features(
        model.clone(act=lambda x: x), variables, images, train=True, rngs={"dropout": jax.random.key(2)}
    )
    assert jnp.allclose(normalised["stage1"].mean((0, 1, 2)), 0, atol=1e-5)
    assert not jnp.allclose(trained["stage1"], evaluated["stage1"], atol=0.1)
    assert (trained["pre_logits"] == 0).any()
    jax.tree.map(np.testing.assert_array_equal, variables, before)


def test_training_mode_without_its_keys_or_without_such_a_mode_is_refused(own):
    model, variables, images = own
    with pytest.raises(ValueError, match=r'rngs has the keys none; .*"dropout"'):
        ce.features(model, variables, images, train=True)
    with pytest.raises(ValueError, match=r"Bare cannot be called with train=True.*'train'"):
        ce.features(Bare(), {}, images, train=True)


def test_a_network_without_endpoints_has_no_features(register):
    register(name="bare", build=Bare)
    images = jnp.ones((1, 4, 4, 3))
    assert ce.features(Bare(), Bare().init(jax.random.key(0), images), images) == {}
    assert ce.feature_info("bare") == {}
