import flax.linen as nn
import numpy as np
import pytest

import cnn_evolution as ce
from cnn_evolution.layers.normalisation import BatchNorm
from cnn_evolution.layers.squeeze_excite import SqueezeExcite
from cnn_evolution.models.mobilenet_v2 import InvertedResidual
from tests.models.modules import of_kind
from tests.tiers import tiered

# Table 1, a stage of blocks per row: filter size, expansion, by how many the side of the image is divided
STAGES = ((3, 1, 2), (3, 6, 4), (5, 6, 8), (3, 6, 16), (5, 6, 16), (5, 6, 32), (3, 6, 32))

# name: channels of the first convolution and of the stages, blocks in each stage, size of the images, dropout
SCALED = {
    "efficientnet_b0": ((32, 16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 3, 3, 4, 1), 224, 0.2),
    "efficientnet_b1": ((32, 16, 24, 40, 80, 112, 192, 320), (2, 3, 3, 4, 4, 5, 2), 240, 0.2),
    "efficientnet_b2": ((32, 16, 24, 48, 88, 120, 208, 352), (2, 3, 3, 4, 4, 5, 2), 288, 0.3),
    "efficientnet_b3": ((40, 24, 32, 48, 96, 136, 232, 384), (2, 3, 3, 5, 5, 6, 2), 300, 0.3),
    "efficientnet_b4": ((48, 24, 32, 56, 112, 160, 272, 448), (2, 4, 4, 6, 6, 8, 2), 380, 0.4),
    "efficientnet_b5": ((48, 24, 40, 64, 128, 176, 304, 512), (3, 5, 5, 7, 7, 9, 3), 456, 0.4),
    "efficientnet_b6": ((56, 32, 40, 72, 144, 200, 344, 576), (3, 6, 6, 8, 8, 11, 3), 528, 0.5),
    "efficientnet_b7": ((64, 32, 48, 80, 160, 224, 384, 640), (4, 7, 7, 10, 10, 13, 4), 600, 0.5),
}
every_scale = pytest.mark.parametrize("name", tiered(SCALED, ["efficientnet_b0"]))


def blocks_of(trace):
    return {key: value for key, value in trace.variables["params"].items() if "_block" in key}


@every_scale
def test_endpoints_have_the_scaled_shapes(name, published):
    (stem, *stages), _, size, _ = SCALED[name]
    last = 4 * stages[-1]
    expected = {}
    for endpoint, divisor, channels in [
        ("stem", 2, stem),
        *((f"stage{i}", STAGES[i - 1][2], channels) for i, channels in enumerate(stages, start=1)),
        ("conv2", 32, last),
    ]:
        side = -(-size // divisor)  # every stride of two rounds up
        expected[endpoint] = (side, side, channels)
    assert published(name).shapes == expected | {"pre_logits": (last,)}


@every_scale
def test_depths_grow_with_the_channels_and_are_rounded_up(name, published):
    depths = SCALED[name][1]
    assert set(blocks_of(published(name))) == {
        f"stage{i}_block{j}" for i, depth in enumerate(depths, start=1) for j in range(1, depth + 1)
    }


@pytest.mark.parametrize("name", ["efficientnet_b0", "efficientnet_b3"])
def test_blocks_have_the_tables_filters_and_squeeze_to_a_quarter_of_their_inputs(name, published):
    channels, depths, *_ = SCALED[name]
    blocks = iter(blocks_of(published(name)).values())
    before = channels[0]
    for (size, expansion, _), features, depth in zip(STAGES, channels[1:], depths, strict=True):
        for _ in range(depth):
            block, expanded = next(blocks), expansion * before
            assert ("expand" in block) == (expansion > 1)
            assert block["depthwise"]["kernel"].shape == (size, size, 1, expanded)
            assert block["attention"]["squeeze"]["kernel"].shape == (expanded, before // 4)
            assert block["attention"]["excite"]["kernel"].shape == (before // 4, expanded)
            assert block["project"]["kernel"].shape == (1, 1, expanded, features)
            before = features


@pytest.fixture(scope="module")
def modules(called):
    return called(ce.create_model("efficientnet_b0"), 64)


def test_every_nonlinearity_is_swish_in_blocks_and_in_their_attention(modules):
    blocks = of_kind(modules, InvertedResidual)
    assert len(blocks) == len(of_kind(modules, SqueezeExcite)) == 16
    assert {block.act for block in blocks} == {nn.silu}
    assert {(module.act, module.gate) for module in of_kind(modules, SqueezeExcite)} == {(nn.silu, nn.sigmoid)}


@pytest.mark.parametrize("name", ["efficientnet_b0", "efficientnet_b1"])
def test_drop_rates_grow_evenly_with_depth(name, called):
    """From 0, and to 0.2 after the last block."""
    blocks = of_kind(called(ce.create_model(name), 64, train=True), InvertedResidual)
    rates = [block.drop_path for block in blocks]
    assert len(rates) == sum(SCALED[name][1])
    assert np.allclose([*rates, 0.2], np.linspace(0, 0.2, len(rates) + 1))


def test_branches_with_a_shortcut_are_dropped_and_the_classifiers_inputs_and_only_in_training(called, modules):
    training = called(ce.create_model("efficientnet_b0"), 64, train=True)
    dropping = {
        path for path, module in training.items() if isinstance(module, nn.Dropout) and not module.deterministic
    }
    depths = SCALED["efficientnet_b0"][1]
    shortcuts = {f"stage{i}_block{j}/drop_path" for i, depth in enumerate(depths, 1) for j in range(2, depth + 1)}
    assert dropping == shortcuts | {"dropout"}
    assert {path for path, module in modules.items() if isinstance(module, nn.Dropout)} == dropping
    assert all(drop.deterministic for drop in of_kind(modules, nn.Dropout))


def test_any_width_is_rounded_as_the_published_ones_are(trace):
    """B2's, on B0's depths."""
    shapes = trace(ce.create_model("efficientnet_b0", width=1.1), 224).shapes
    names = ["stem", *(f"stage{i}" for i in range(1, 8))]
    assert tuple(shapes[name][-1] for name in names) == SCALED["efficientnet_b2"][0]
    assert shapes["conv2"][-1] == 4 * 352


@every_scale
def test_larger_networks_drop_more_of_the_classifiers_inputs(name):
    assert ce.create_model(name).dropout == SCALED[name][3]


@pytest.mark.parametrize(
    ("name", "momentum", "epsilon"), [("efficientnet_b4", 0.9, 1e-5), ("efficientnet_b5", 0.99, 1e-3)]
)
def test_normalisation_is_the_authors_from_b5_on(name, momentum, epsilon, called):
    norms = of_kind(called(ce.create_model(name), 64), BatchNorm)
    assert {(norm.momentum, norm.epsilon) for norm in norms} == {(momentum, epsilon)}
