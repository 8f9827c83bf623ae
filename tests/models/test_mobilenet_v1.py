import jax
import jax.numpy as jnp
import pytest
from flax import traverse_util

import cnn_evolution as ce

WIDTHS = {"mobilenet_v1": 1, "mobilenet_v1_0_75": 0.75, "mobilenet_v1_0_5": 0.5, "mobilenet_v1_0_25": 0.25}


@pytest.mark.parametrize("name, width", WIDTHS.items())
def test_endpoints_have_the_papers_shapes(name, width, published):
    expected = {"stem": (112, 112, 32 * width), "pre_logits": (1024 * width,)}
    for stage, side in enumerate((112, 56, 28, 14, 7), start=1):
        expected[f"stage{stage}"] = (side, side, 64 * 2 ** (stage - 1) * width)
    assert published(name).shapes == expected


def test_a_block_looks_at_every_channel_alone_and_then_combines_them(published):
    block = published("mobilenet_v1").variables["params"]["stage4_block1"]
    assert block["depthwise"]["kernel"].shape == (3, 3, 1, 256)
    assert block["pointwise"]["kernel"].shape == (1, 1, 256, 512)


def test_most_of_the_cost_is_in_1x1_convolutions(published):
    """Table 2: 94.86% of the multiply-accumulates and 74.59% of the weights."""
    kernels = {
        path[:-1]: leaf.size
        for path, leaf in traverse_util.flatten_dict(published("mobilenet_v1").variables["params"]).items()
        if path[-1] == "kernel"
    }
    sides = {f"stage{stage}": side for stage, side in enumerate((112, 56, 28, 14, 7), start=1)}
    pointwise = {path: size for path, size in kernels.items() if path[-1] == "pointwise"}
    macs = sum(size * sides[path[0].partition("_")[0]] ** 2 for path, size in pointwise.items())
    assert round(100 * macs / published("mobilenet_v1").macs, 2) == 94.86
    assert round(100 * sum(pointwise.values()) / sum(kernels.values()), 2) == 74.59


def test_widths_multiply(published, trace):
    expected = jax.tree.map(jnp.shape, published("mobilenet_v1_0_25").variables)
    for model in (ce.create_model("mobilenet_v1_0_5", width=0.5), ce.create_model("mobilenet_v1", width=0.25)):
        assert jax.tree.map(jnp.shape, trace(model, 224).variables) == expected
