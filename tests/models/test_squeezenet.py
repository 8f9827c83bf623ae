import functools

import jax
import jax.numpy as jnp
import pytest

import cnn_evolution as ce

FIRE_CHANNELS = {2: 128, 3: 128, 4: 256, 5: 256, 6: 384, 7: 384, 8: 512, 9: 512}


def test_endpoints_have_the_papers_shapes_at_227_pixels(trace):
    """Table 1, whose sizes need images of 227 pixels."""
    expected = {"conv1": (111, 111, 96), "pool1": (55, 55, 96), "pool4": (27, 27, 256), "pool8": (13, 13, 512)}
    for i, channels in FIRE_CHANNELS.items():
        side = 55 if i <= 4 else 27 if i <= 8 else 13
        expected[f"fire{i}"] = (side, side, channels)
    expected["pre_logits"] = (13, 13, 512)
    assert trace(ce.create_model("squeezenet1_0"), 227).shapes == expected


def test_version_1_1_pools_earlier(published):
    expected = {"conv1": (111, 111, 64), "pool1": (55, 55, 64), "pool3": (27, 27, 128), "pool5": (13, 13, 256)}
    for i, channels in FIRE_CHANNELS.items():
        side = 55 if i <= 3 else 27 if i <= 5 else 13
        expected[f"fire{i}"] = (side, side, channels)
    expected["pre_logits"] = (13, 13, 512)
    assert published("squeezenet1_1").shapes == expected


# Table 1, "number of parameters before pruning"
PARAMETERS = {
    "conv1": 14_208,
    "fire2": 11_920,
    "fire3": 12_432,
    "fire4": 45_344,
    "fire5": 49_440,
    "fire6": 104_880,
    "fire7": 111_024,
    "fire8": 188_992,
    "fire9": 197_184,
    "conv10": 513_000,
}


def test_layers_have_the_papers_parameters(published, parameters):
    params = published("squeezenet1_0").variables["params"]
    assert {name: parameters(layer) for name, layer in params.items()} == PARAMETERS


def test_logits_are_means_of_rectified_maps(draw):
    model = ce.create_model("squeezenet1_1", num_classes=10, width=0.25, input_size=48)
    variables = draw(model, 48)
    images = jax.random.normal(jax.random.key(0), (2, 48, 48, 3))
    logits, state = jax.jit(functools.partial(model.apply, mutable=["endpoints"]))(variables, images)
    kernel = variables["params"]["conv10"]["kernel"][0, 0]
    maps = state["endpoints"]["pre_logits"] @ kernel
    assert maps.shape[1:3] != (1, 1)
    assert jnp.allclose(logits, jnp.maximum(maps, 0).mean((1, 2)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("initialisation, variance", [("published", 1), ("he", 2)])
def test_initialisation_follows_the_fan_in(initialisation, variance, initialise):
    model = ce.create_model("squeezenet1_1", num_classes=10, width=0.5, input_size=32, initialisation=initialisation)
    params = initialise(model, 32)
    kernel = params["fire9"]["expand_3x3"]["kernel"]
    assert kernel.std() == pytest.approx((variance / kernel[..., 0].size) ** 0.5, rel=0.05)
    assert params["conv10"]["kernel"].std() == pytest.approx(0.01 if variance == 1 else (2 / 256) ** 0.5, rel=0.1)
    assert not params["fire9"]["expand_3x3"]["bias"].any()
