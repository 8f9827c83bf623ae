import flax.linen as nn
import pytest

import cnn_evolution as ce
from cnn_evolution.layers.normalisation import BatchNorm
from cnn_evolution.models.mobilenet_v2 import InvertedResidual
from tests.models.modules import of_kind

# Model B1, a stage per row: filter size, expansion, blocks, side of the map
STAGES = ((3, 1, 1, 112), (3, 3, 3, 56), (5, 3, 3, 28), (5, 6, 3, 14), (3, 6, 2, 14), (5, 6, 4, 7), (3, 6, 1, 7))

# name: channels of the first convolution and of the stages
CHANNELS = {
    "mnasnet0_5": (16, 8, 16, 24, 40, 48, 96, 160),
    "mnasnet0_75": (24, 16, 24, 32, 64, 72, 144, 240),
    "mnasnet1_0": (32, 16, 24, 40, 80, 96, 192, 320),
    "mnasnet1_3": (40, 24, 32, 56, 104, 128, 248, 416),
}


@pytest.mark.parametrize("name", CHANNELS)
def test_endpoints_have_the_papers_sides_and_the_multiplied_channels(name, published):
    stem, *stages = CHANNELS[name]
    expected = {"stem": (112, 112, stem), "conv2": (7, 7, 1280), "pre_logits": (1280,)}
    for i, ((*_, side), channels) in enumerate(zip(STAGES, stages, strict=True), start=1):
        expected[f"stage{i}"] = (side, side, channels)
    assert published(name).shapes == expected


@pytest.mark.parametrize("name", CHANNELS)
def test_every_stage_has_its_own_filter_size_expansion_and_depth(name, published):
    blocks = {key: value for key, value in published(name).variables["params"].items() if "_block" in key}
    before = CHANNELS[name][0]
    for i, ((size, expansion, depth, _), channels) in enumerate(zip(STAGES, CHANNELS[name][1:], strict=True), start=1):
        for j in range(1, depth + 1):
            block = blocks.pop(f"stage{i}_block{j}")
            assert block["depthwise"]["kernel"].shape == (size, size, 1, expansion * before)
            assert block["project"]["kernel"].shape == (1, 1, expansion * before, channels)
            before = channels
    assert not blocks


def test_any_width_is_rounded_as_the_published_ones_are(published, trace):
    expected = published("mnasnet0_5").shapes
    assert trace(ce.create_model("mnasnet1_0", width=0.5), 224).shapes == expected


def test_the_first_stage_is_a_separable_convolution(published):
    params = published("mnasnet1_0").variables["params"]
    assert [key for key, block in params.items() if "_block" in key and "expand" not in block] == ["stage1_block1"]


@pytest.fixture(scope="module")
def modules(called):
    return called(ce.create_model("mnasnet1_0"), 64)


def test_there_is_no_attention_and_every_nonlinearity_is_a_relu(modules):
    blocks = of_kind(modules, InvertedResidual)
    assert len(blocks) == sum(depth for _, _, depth, _ in STAGES)
    assert {(block.attention, block.act) for block in blocks} == {(None, nn.relu)}


def test_running_statistics_keep_99_percent_at_every_step(modules):
    """Section 5."""
    assert {norm.momentum for norm in of_kind(modules, BatchNorm)} == {0.99}


@pytest.mark.parametrize("train", [True, False])
def test_only_the_classifiers_inputs_are_dropped_and_only_in_training(train, called):
    drops = of_kind(called(ce.create_model("mnasnet1_0"), 64, train=train), nn.Dropout)
    dropping = [(drop.name, drop.rate) for drop in drops if not drop.deterministic and drop.rate]
    assert dropping == ([("dropout", 0.2)] if train else [])
