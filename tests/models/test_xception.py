import functools

import jax
import jax.numpy as jnp

from cnn_evolution import layers
from cnn_evolution.models.xception import Block, SeparableConv

SHAPES = {
    "stem": (147, 147, 64),
    "block1": (74, 74, 128),
    "block2": (37, 37, 256),
    "block3": (19, 19, 728),
    "middle": (19, 19, 728),
    "exit_block": (10, 10, 1024),
    "sep4": (10, 10, 2048),
    "pre_logits": (2048,),
}


def test_endpoints_have_the_papers_shapes(published):
    assert published("xception").shapes == SHAPES


def test_shortcuts_are_projections_only_where_the_map_is_halved(published):
    params = published("xception").variables["params"]
    projected = {name for name, block in params.items() if "shortcut_conv" in block}
    assert projected == {"block1", "block2", "block3", "exit_block"}


def test_a_depthwise_filter_sees_one_channel():
    module = SeparableConv(6, functools.partial(layers.conv, use_bias=False))
    variables = jax.eval_shape(module.init, jax.random.key(0), jnp.zeros((1, 5, 5, 4)))
    shapes = {name: layer["kernel"].shape for name, layer in variables["params"].items()}
    assert shapes == {"depthwise": (3, 3, 1, 4), "pointwise": (1, 1, 4, 6)}


def test_the_shortcut_of_a_middle_block_carries_its_input_before_the_relu():
    """With scales of 0 the branch vanishes, and negative values come out as they went in."""
    module = Block(
        (4, 4, 4),
        functools.partial(layers.conv, use_bias=False),
        functools.partial(layers.batch_norm, train=True, scale_init=jax.nn.initializers.zeros),
        jax.nn.relu,
    )
    x = jax.random.normal(jax.random.key(0), (2, 5, 5, 4))
    y, _ = jax.jit(module.init_with_output)(jax.random.key(1, impl="rbg"), x)
    assert jnp.array_equal(y, x)
