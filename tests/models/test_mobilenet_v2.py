import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_evolution import layers
from cnn_evolution.models.mobilenet_v2 import InvertedResidual

# Table 2: side and channels of the map that leaves every row of blocks
STAGES = ((112, 16), (56, 24), (28, 32), (14, 64), (14, 96), (7, 160), (7, 320))


def test_endpoints_have_the_papers_shapes(published):
    expected = {f"stage{i}": (side, side, channels) for i, (side, channels) in enumerate(STAGES, start=1)}
    expected |= {"stem": (112, 112, 32), "conv2": (7, 7, 1280), "pre_logits": (1280,)}
    assert published("mobilenet_v2").shapes == expected


def test_blocks_expand_six_times_but_the_first(published):
    blocks = {key: value for key, value in published("mobilenet_v2").variables["params"].items() if "_block" in key}
    assert len(blocks) == 17
    assert "expand" not in blocks.pop("stage1_block1")
    for block in blocks.values():
        narrow, wide = block["expand"]["kernel"].shape[-2:]
        assert wide == 6 * narrow
        assert block["depthwise"]["kernel"].shape == (3, 3, 1, wide)
        assert block["project"]["kernel"].shape[-2] == wide


def block(**options):
    conv = functools.partial(layers.conv, use_bias=False)
    norm = functools.partial(layers.batch_norm, train=False)
    return InvertedResidual(**{"expanded": 24, "features": 8, "conv": conv, "norm": norm} | options)


X = np.random.default_rng(0).standard_normal((2, 6, 6, 8), np.float32)


def drawn(module, project_scale):
    """Variables for `X`; those of the last normalisation's scales are given."""

    def value(path, leaf):
        kind, layer = path[-1].key, path[-2].key
        if (layer, kind) == ("project_bn", "scale"):
            return np.full(leaf.shape, project_scale, np.float32)
        if kind == "kernel":
            return np.random.default_rng(1).standard_normal(leaf.shape, np.float32)
        return np.full(leaf.shape, kind in {"scale", "var"}, np.float32)

    return jax.tree_util.tree_map_with_path(value, jax.eval_shape(module.init, jax.random.key(0), X))


def test_the_input_is_added_where_the_shape_stays():
    module = block()
    assert jnp.array_equal(module.apply(drawn(module, 0.0), X), X)


@pytest.mark.parametrize("options, shape", [({"stride": 2}, (2, 3, 3, 8)), ({"features": 16}, (2, 6, 6, 16))])
def test_there_is_no_shortcut_where_the_shape_changes(options, shape):
    module = block(**options)
    y = module.apply(drawn(module, 0.0), X)
    assert y.shape == shape
    assert not y.any()


def test_the_projection_is_linear():
    module = block(stride=2)
    y = module.apply(drawn(module, 1.0), X)
    assert (y < 0).any() and (y > 6).any()


def test_training_drops_branches_and_never_shortcuts():
    always = block(drop_path=1.0, train=True)
    variables = drawn(always, 1.0)
    assert jnp.array_equal(always.apply(variables, X, rngs={"dropout": jax.random.key(0)}), X)
    assert not jnp.array_equal(block(drop_path=1.0).apply(variables, X), X)
