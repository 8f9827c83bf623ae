import functools

import jax
import jax.numpy as jnp
import pytest

from cnn_evolution import layers
from cnn_evolution.models.shufflenet_v2 import ShuffleUnit

# Table 5: channels leaving stages 2, 3 and 4 and conv5
CHANNELS = {
    "shufflenet_v2_x0_5": (48, 96, 192, 1024),
    "shufflenet_v2_x1_0": (116, 232, 464, 1024),
    "shufflenet_v2_x1_5": (176, 352, 704, 1024),
    "shufflenet_v2_x2_0": (244, 488, 976, 2048),
}


@pytest.mark.parametrize("name", CHANNELS)
def test_endpoints_have_the_papers_shapes(name, published):
    *stages, last = CHANNELS[name]
    expected = {"stem": (56, 56, 24), "conv5": (7, 7, last), "pre_logits": (last,)}
    for stage, (side, channels) in enumerate(zip((28, 14, 7), stages, strict=True), start=2):
        expected[f"stage{stage}"] = (side, side, channels)
    assert published(name).shapes == expected


def test_only_units_with_a_stride_have_a_shortcut_of_their_own(published):
    params = published("shufflenet_v2_x1_0").variables["params"]
    assert {name for name, layer in params.items() if "shortcut_depthwise" in layer} == {
        "stage2_block1",
        "stage3_block1",
        "stage4_block1",
    }


def test_a_unit_leaves_the_first_half_of_its_channels_untouched():
    unit = ShuffleUnit(
        features=8,
        stride=1,
        conv=functools.partial(layers.conv, use_bias=False),
        norm=functools.partial(layers.batch_norm, train=False),
        act=jax.nn.relu,
    )
    x = jax.random.normal(jax.random.key(0), (2, 5, 5, 8))
    y, _ = jax.jit(unit.init_with_output)(jax.random.key(1, impl="rbg"), x)
    assert y.shape == x.shape
    assert jnp.array_equal(y[..., ::2], x[..., :4])
    assert not jnp.array_equal(y[..., 1::2], x[..., 4:])
