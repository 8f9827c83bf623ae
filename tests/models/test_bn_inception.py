import jax
import jax.numpy as jnp
import pytest

import cnn_evolution as ce
from cnn_evolution.models.bn_inception import halve

SHAPES = {
    "conv1": (112, 112, 64),
    "pool1": (56, 56, 64),
    "conv2_reduce": (56, 56, 64),
    "conv2": (56, 56, 192),
    "pool2": (28, 28, 192),
    "3a": (28, 28, 256),
    "3b": (28, 28, 320),
    "3c": (14, 14, 576),
    "4a": (14, 14, 576),
    "4b": (14, 14, 576),
    "4c": (14, 14, 608),
    "4d": (14, 14, 608),
    "4e": (7, 7, 1056),
    "5a": (7, 7, 1024),
    "5b": (7, 7, 1024),
    "pre_logits": (1024,),
}


def test_endpoints_have_the_shapes_of_the_papers_branches(published):
    assert published("bn_inception").shapes == SHAPES


def test_reductions_have_no_1x1_branch_and_nothing_after_the_pool(published):
    params = published("bn_inception").variables["params"]
    blocks = {name for name in params if name.startswith("inception_")}
    assert {name for name in blocks if "branch_1x1" not in params[name]} == {"inception_3c", "inception_4e"}
    assert {name for name in blocks if "branch_pool" not in params[name]} == {"inception_3c", "inception_4e"}


@pytest.mark.parametrize("side, halved", [(3, 2), (4, 2), (5, 3), (28, 14)])
def test_the_pool_of_a_reduction_halves_and_rounds_up(side, halved):
    x = jax.random.normal(jax.random.key(0), (1, side, side, 2))
    y = halve(x)
    assert y.shape == (1, halved, halved, 2)
    assert jnp.array_equal(y.max((1, 2)), x.max((1, 2)))  # the windows cover the map


@pytest.mark.parametrize("size", [39, 48, 56, 97, 224])
def test_images_of_any_size_fit(size, trace):
    model = ce.create_model("bn_inception", num_classes=10, width=0.25, input_size=size)
    assert trace(model, size).logits.shape == (1, 10)
