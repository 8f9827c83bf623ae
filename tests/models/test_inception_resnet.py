import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnn_evolution as ce
from cnn_evolution import layers
from cnn_evolution.models.inception_resnet import BLOCK_8, ResidualBranches

SHAPES = {
    "stem": (35, 35, 192),
    "mixed_5b": (35, 35, 320),
    "block35": (35, 35, 320),
    "mixed_6a": (17, 17, 1088),
    "block17": (17, 17, 1088),
    "mixed_7a": (8, 8, 2080),
    "block8": (8, 8, 2080),
    "conv_7b": (8, 8, 1536),
    "pre_logits": (1536,),
}


def test_endpoints_have_the_shapes_of_the_authors_code(published):
    assert published("inception_resnet_v2").shapes == SHAPES


def test_there_are_twice_as_many_blocks_as_in_the_paper(published):
    names = published("inception_resnet_v2").variables["params"]
    assert [sum(name.startswith(f"block{side}_") for name in names) for side in (35, 17, 8)] == [10, 20, 10]


@pytest.mark.parametrize("relu", [True, False])
def test_a_block_adds_a_share_of_its_expanded_branches(relu):
    scale = layers.scaled(1 / 24)  # 8 to 11 filters for 192 to 256
    layer = functools.partial(
        layers.ConvNormAct,
        act=jax.nn.relu,
        conv=layers.conv,
        norm=functools.partial(layers.batch_norm, train=False),
        scale=scale,
    )
    conv = functools.partial(layers.conv, bias_init=jax.nn.initializers.ones)
    blocks = [
        ResidualBranches(BLOCK_8, layer, conv, act=jax.nn.relu, residual_scale=share, act_last=relu)
        for share in (1.0, 0.2)
    ]
    x = jax.random.normal(jax.random.key(0), (2, 4, 4, 8))
    whole, variables = jax.jit(blocks[0].init_with_output)(jax.random.key(1, impl="rbg"), x)
    part = blocks[1].apply(variables, x)
    if relu:
        assert (part >= 0).all()
        assert (part > 0).any()
    else:
        np.testing.assert_allclose(part - x, 0.2 * (whole - x), atol=1e-5)
        assert jnp.abs(whole - x).max() > 0.1


def test_only_the_last_block_lets_negative_values_through(draw):
    model = ce.create_model("inception_resnet_v2", num_classes=0, width=0.125, depths=(1, 1, 2))
    variables = draw(model, 75)
    images = np.random.default_rng(1).standard_normal((1, 75, 75, 3), np.float32)
    found = jax.jit(lambda variables, x: model.apply(variables, x, mutable=["endpoints"])[1]["endpoints"])(
        variables, images
    )
    assert {name for name in ("block35", "block17", "block8", "conv_7b") if (found[name] < 0).any()} == {"block8"}
