import functools

import jax
import jax.numpy as jnp
import pytest

import cnn_evolution as ce
from cnn_evolution import layers


@pytest.mark.parametrize("name, conv3_to_5", [("zfnet", (384, 384, 256)), ("zfnet_b", (512, 1024, 512))])
def test_endpoints_have_the_papers_shapes(name, conv3_to_5, published):
    conv3, conv4, conv5 = conv3_to_5
    assert published(name).shapes == {
        "conv1": (110, 110, 96),
        "norm1": (110, 110, 96),
        "pool1": (55, 55, 96),
        "conv2": (26, 26, 256),
        "norm2": (26, 26, 256),
        "pool2": (13, 13, 256),
        "conv3": (13, 13, conv3),
        "conv4": (13, 13, conv4),
        "conv5": (13, 13, conv5),
        "pool5": (6, 6, conv5),
        "fc6": (4096,),
        "fc7": (4096,),
        "pre_logits": (4096,),
    }


def test_published_initialisation_is_gaussian_without_biases(initialise):
    params = initialise(ce.create_model("zfnet", num_classes=10, width=0.25, input_size=48), 48)
    for name, layer in params.items():
        assert layer["kernel"].std() == pytest.approx(0.01, rel=0.1), name
        assert not layer["bias"].any(), name


@pytest.mark.parametrize("pool_first", [False, True])
def test_responses_are_normalised_before_they_are_pooled_or_after_as_in_the_figure(pool_first, draw):
    model = ce.create_model("zfnet", num_classes=10, width=0.25, input_size=48, pool_first=pool_first, lrn_alpha=0.1)
    images = jax.random.normal(jax.random.key(0), (2, 48, 48, 3))
    found = jax.jit(functools.partial(ce.features, model))(draw(model, 48), images)
    first, second = ("pool1", "norm1") if pool_first else ("norm1", "pool1")
    inputs = {first: found["conv1"], second: found[first]}
    assert jnp.array_equal(found["pool1"], layers.max_pool(inputs["pool1"], 3, 2, ceil_mode=True))
    assert jnp.allclose(found["norm1"], layers.local_response_norm(inputs["norm1"], alpha=0.1))
