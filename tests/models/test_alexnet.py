import functools

import jax
import jax.numpy as jnp
import pytest

import cnn_evolution as ce
from cnn_evolution import layers

SHAPES = {
    "conv1": (55, 55, 96),
    "norm1": (55, 55, 96),
    "pool1": (27, 27, 96),
    "conv2": (27, 27, 256),
    "norm2": (27, 27, 256),
    "pool2": (13, 13, 256),
    "conv3": (13, 13, 384),
    "conv4": (13, 13, 384),
    "conv5": (13, 13, 256),
    "pool5": (6, 6, 256),
    "fc6": (4096,),
    "fc7": (4096,),
    "pre_logits": (4096,),
}


def test_endpoints_have_the_papers_shapes(published):
    assert published("alexnet").shapes == SHAPES


def test_the_single_tower_has_the_same_shapes(published):
    assert published("alexnet_single").shapes == SHAPES


def test_the_single_tower_takes_images_of_224_pixels_too(trace):
    shapes = trace(ce.create_model("alexnet_single"), 224).shapes
    assert [shapes[name][0] for name in ("conv1", "pool1", "pool2", "pool5")] == [54, 27, 13, 6]


def test_the_one_weird_trick_is_narrower_and_does_not_normalise(published):
    assert published("alexnet_owt").shapes == {
        "conv1": (55, 55, 64),
        "pool1": (27, 27, 64),
        "conv2": (27, 27, 192),
        "pool2": (13, 13, 192),
        "conv3": (13, 13, 384),
        "conv4": (13, 13, 256),
        "conv5": (13, 13, 256),
        "pool5": (6, 6, 256),
        "fc6": (4096,),
        "fc7": (4096,),
        "pre_logits": (4096,),
    }


def test_conv2_conv4_and_conv5_see_one_tower_only(published):
    params = published("alexnet").variables["params"]
    inputs = {name: params[name]["kernel"].shape[2] for name in ("conv1", "conv2", "conv3", "conv4", "conv5")}
    assert inputs == {"conv1": 3, "conv2": 96 // 2, "conv3": 256, "conv4": 384 // 2, "conv5": 384 // 2}


@pytest.fixture(scope="module")
def narrow(draw):
    model = ce.create_model("alexnet", num_classes=10, width=0.25, input_size=48)
    return model, draw(model, 48), jax.random.normal(jax.random.key(0), (2, 48, 48, 3))


def test_published_initialisation_is_gaussian_with_biases_of_one_in_five_layers(initialise):
    params = initialise(ce.create_model("alexnet", num_classes=10, width=0.25, input_size=48), 48)
    for name, layer in params.items():
        assert jnp.abs(layer["kernel"].mean()) < 0.001, name
        assert layer["kernel"].std() == pytest.approx(0.01, rel=0.1), name
        assert (layer["bias"] == (name in {"conv2", "conv4", "conv5", "fc6", "fc7"})).all(), name


def test_he_initialisation_follows_the_fan_in_without_biases(initialise):
    model = ce.create_model("alexnet", num_classes=10, width=0.25, input_size=48, initialisation="he")
    for name, layer in initialise(model, 48).items():
        fan_in = layer["kernel"][..., 0].size
        assert layer["kernel"].std() == pytest.approx((2 / fan_in) ** 0.5, rel=0.1), name
        assert not layer["bias"].any(), name


def test_unknown_initialisation_is_refused():
    model = ce.create_model("alexnet", initialisation="xavier")
    with pytest.raises(ValueError, match="'xavier'; expected one of 'published', 'he'"):
        jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 227, 227, 3)))


def test_responses_are_normalised_before_they_are_pooled(narrow):
    model, variables, images = narrow
    found = jax.jit(functools.partial(ce.features, model))(variables, images)
    assert jnp.allclose(found["norm1"], layers.local_response_norm(found["conv1"]))
    assert jnp.array_equal(found["pool1"], layers.max_pool(found["norm1"], 3, 2))


def test_dropout_acts_in_training_only(narrow):
    model, variables, images = narrow

    @functools.partial(jax.jit, static_argnames="train")
    def logits(key, train):
        return model.apply(variables, images, train=train, rngs={"dropout": key})

    first, second = jax.random.key(0), jax.random.key(1)
    assert not jnp.array_equal(logits(first, train=True), logits(second, train=True))
    assert jnp.array_equal(logits(first, train=False), logits(second, train=False))
