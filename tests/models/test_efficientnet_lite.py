import flax.linen as nn
import numpy as np
import pytest

import cnn_evolution as ce
from cnn_evolution.layers.normalisation import BatchNorm
from cnn_evolution.models.mobilenet_v2 import InvertedResidual
from tests.models.modules import of_kind
from tests.tiers import tiered

# The authors' code, a stage of blocks per row: filter size, expansion, by how many the side of the image is divided
STAGES = ((3, 1, 2), (3, 6, 4), (5, 6, 8), (3, 6, 16), (5, 6, 16), (5, 6, 32), (3, 6, 32))

# name: channels of the stages, blocks in each stage, size of the images, dropout
SCALED = {
    "efficientnet_lite0": ((16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 3, 3, 4, 1), 224, 0.2),
    "efficientnet_lite1": ((16, 24, 40, 80, 112, 192, 320), (1, 3, 3, 4, 4, 5, 1), 240, 0.2),
    "efficientnet_lite2": ((16, 24, 48, 88, 120, 208, 352), (1, 3, 3, 4, 4, 5, 1), 260, 0.3),
    "efficientnet_lite3": ((24, 32, 48, 96, 136, 232, 384), (1, 3, 3, 5, 5, 6, 1), 280, 0.3),
    "efficientnet_lite4": ((24, 32, 56, 112, 160, 272, 448), (1, 4, 4, 6, 6, 8, 1), 300, 0.3),
}
every_scale = pytest.mark.parametrize("name", tiered(SCALED, ["efficientnet_lite0"]))


def blocks_of(trace):
    return {key: value for key, value in trace.variables["params"].items() if "_block" in key}


@every_scale
def test_stages_have_the_scaled_channels_between_a_stem_and_a_head_that_are_not_scaled(name, published):
    channels, _, size, _ = SCALED[name]
    divided = [("stem", 2, 32), *((f"stage{i}", STAGES[i - 1][2], c) for i, c in enumerate(channels, 1))]
    expected = {endpoint: (-(-size // by), -(-size // by), c) for endpoint, by, c in [*divided, ("conv2", 32, 1280)]}
    assert published(name).shapes == expected | {"pre_logits": (1280,)}


@every_scale
def test_depths_are_scaled_and_rounded_up_but_for_the_first_and_the_last(name, published):
    depths = SCALED[name][1]
    assert set(blocks_of(published(name))) == {
        f"stage{i}_block{j}" for i, depth in enumerate(depths, start=1) for j in range(1, depth + 1)
    }


@every_scale
def test_larger_networks_drop_more_of_the_classifiers_inputs(name):
    assert ce.create_model(name).dropout == SCALED[name][3]


def test_blocks_have_the_tables_filters(published):
    channels, depths, *_ = SCALED["efficientnet_lite0"]
    blocks, before = iter(blocks_of(published("efficientnet_lite0")).values()), 32
    for (size, expansion, _), features, depth in zip(STAGES, channels, depths, strict=True):
        for _ in range(depth):
            block, expanded = next(blocks), expansion * before
            assert ("expand" in block) == (expansion > 1)
            assert block["depthwise"]["kernel"].shape == (size, size, 1, expanded)
            assert block["project"]["kernel"].shape == (1, 1, expanded, features)
            before = features


@pytest.fixture(scope="module")
def modules(called):
    return called(ce.create_model("efficientnet_lite0"), 64)


def test_there_is_no_attention_and_every_nonlinearity_is_relu6(modules):
    blocks = of_kind(modules, InvertedResidual)
    assert len(blocks) == 16
    assert {(block.attention, block.act) for block in blocks} == {(None, nn.relu6)}


def test_normalisation_is_the_authors(modules):
    assert {(norm.momentum, norm.epsilon) for norm in of_kind(modules, BatchNorm)} == {(0.99, 1e-3)}


def test_windows_of_convolutions_are_padded_as_tensorflow_pads_them(modules):
    """At stride 2 a side is padded to the right first, which no symmetric padding is."""
    windows = {path: conv.padding for path, conv in modules.items() if isinstance(conv, nn.Conv)}
    wide = {path for path, conv in modules.items() if isinstance(conv, nn.Conv) and conv.kernel_size != (1, 1)}
    assert wide == {"conv1", *(path for path in windows if path.endswith("depthwise"))}
    assert {windows[path] for path in wide} == {"SAME"}


def test_drop_rates_grow_evenly_with_depth(called):
    """From 0, and to 0.2 after the last block."""
    blocks = of_kind(called(ce.create_model("efficientnet_lite1"), 64, train=True), InvertedResidual)
    rates = [block.drop_path for block in blocks]
    assert len(rates) == sum(SCALED["efficientnet_lite1"][1])
    assert np.allclose([*rates, 0.2], np.linspace(0, 0.2, len(rates) + 1))


def test_any_width_is_rounded_as_the_published_ones_are(trace):
    """Lite2's, on Lite0's depths."""
    shapes = trace(ce.create_model("efficientnet_lite0", width=1.1), 224).shapes
    assert tuple(shapes[f"stage{i}"][-1] for i in range(1, 8)) == SCALED["efficientnet_lite2"][0]
    assert (shapes["stem"][-1], shapes["conv2"][-1]) == (32, 1280)
