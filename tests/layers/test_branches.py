import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from cnn_evolution import layers
from cnn_evolution.layers import Branches, Filters, Fork

LAYER = functools.partial(
    layers.ConvNormAct,
    conv=functools.partial(layers.conv, use_bias=False),
    norm=functools.partial(layers.batch_norm, train=False),
    act=nn.relu,
    scale=layers.scaled(1),
)
HALVE = functools.partial(layers.max_pool, window=3, stride=2)


def outcome(module: nn.Module, size: int = 9) -> tuple[tuple[int, ...], dict]:
    """The output's shape, and the kernels' by layer."""
    x = jax.ShapeDtypeStruct((1, size, size, 4), jnp.float32)
    y, variables = jax.eval_shape(module.init_with_output, jax.random.key(0), x)
    return y.shape[1:], {name: layer["conv"]["kernel"].shape for name, layer in variables.get("params", {}).items()}


def test_branches_are_concatenated_and_their_layers_numbered():
    branches = {"1x1": (Filters(2),), "3x3": (Filters(3), Filters(5, 3)), "pool": (nn.relu, Filters(6))}
    assert outcome(Branches(branches, LAYER)) == (
        (9, 9, 13),
        {
            "branch_1x1": (1, 1, 4, 2),
            "branch_3x3_1": (1, 1, 4, 3),
            "branch_3x3_2": (3, 3, 3, 5),
            "branch_pool": (1, 1, 4, 6),
        },
    )


def test_a_fork_looks_at_one_map_twice():
    branches = {"3x3": (Filters(8), Fork(Filters(2, (1, 3)), Filters(3, (3, 1))))}
    shape, kernels = outcome(Branches(branches, LAYER))
    assert shape == (9, 9, 5)
    assert (kernels["branch_3x3_2a"], kernels["branch_3x3_2b"]) == ((1, 3, 8, 2), (3, 1, 8, 3))


def test_a_pool_alone_passes_the_map_through():
    assert outcome(Branches({"pool": (HALVE,)}, LAYER)) == ((4, 4, 4), {})


@pytest.mark.parametrize(
    "filters, side", [(Filters(2, 3), 9), (Filters(2, 3, 2), 5), (Filters(2, 3, 2, valid=True), 4)]
)
def test_maps_keep_their_size_but_for_the_stride_unless_filters_are_valid(filters, side):
    assert outcome(Branches({"3x3": (filters,)}, LAYER))[0] == (side, side, 2)


def test_factored_filters_keep_the_size_too():
    assert outcome(Branches({"7x7": (Filters(2, (1, 7)), Filters(3, (7, 1)))}, LAYER))[0] == (9, 9, 3)


def test_width_scales_every_number_of_filters():
    narrow = functools.partial(LAYER, scale=layers.scaled(0.5))
    assert outcome(Branches({"1x1": (Filters(32),), "3x3": (Filters(64), Filters(96, 3))}, narrow))[0] == (9, 9, 64)
