import jax.numpy as jnp
import pytest

import cnn_evolution as ce


@pytest.mark.parametrize("name", ["preresnet50", "preresnet101", "preresnet152", "preresnet200"])
def test_endpoints_have_the_papers_shapes(name, published):
    expected = {"stem": (56, 56, 64), "pre_logits": (2048,)}
    for stage, (side, channels) in enumerate(zip((56, 28, 14, 7), (256, 512, 1024, 2048), strict=True), start=1):
        expected[f"stage{stage}"] = (side, side, channels)
    assert published(name).shapes == expected


def test_wide_resnet_for_cifar_has_ten_times_the_channels(published):
    assert published("wrn_28_10").shapes == {
        "stem": (32, 32, 16),
        "stage1": (32, 32, 160),
        "stage2": (16, 16, 320),
        "stage3": (8, 8, 640),
        "pre_logits": (640,),
    }


@pytest.mark.parametrize("name, layers", [("preresnet50", 50), ("preresnet152", 152), ("preresnet200", 200)])
def test_convolutions_and_the_classifier_count_to_the_name(name, layers, published):
    blocks = [params for key, params in published(name).variables["params"].items() if "_block" in key]
    assert 1 + sum(key.startswith("conv") for block in blocks for key in block) + 1 == layers


def test_wide_resnets_count_their_projections_and_not_the_classifier(published):
    blocks = [params for key, params in published("wrn_28_10").variables["params"].items() if "_block" in key]
    assert 1 + sum("conv" in key for block in blocks for key in block) == 28


def test_the_input_reaches_the_end_of_a_stage_unchanged_where_branches_are_zero(draw):
    model = ce.create_model("preresnet50", num_classes=10, width=0.25, input_size=32, depths=(2, 1, 1, 1))
    variables = draw(model, 32)
    zeros = jnp.zeros_like(variables["params"]["stage1_block2"]["conv3"]["kernel"])
    variables["params"]["stage1_block2"]["conv3"]["kernel"] = zeros
    shorter = ce.create_model("preresnet50", num_classes=10, width=0.25, input_size=32, depths=(1, 1, 1, 1))
    images = -jnp.ones((1, 32, 32, 3))
    without = {
        collection: {name: layer for name, layer in layers.items() if name != "stage1_block2"}
        for collection, layers in variables.items()
    }
    found = ce.features(model, variables, images)["stage1"]
    assert (found < 0).any()  # no ReLU follows the addition
    assert jnp.array_equal(found, ce.features(shorter, without, images)["stage1"])


def test_projections_have_no_normalisation_of_their_own(published):
    params = published("preresnet50").variables["params"]
    projected = {block for block, layers in params.items() if "shortcut_conv" in layers}
    assert projected == {"stage1_block1", "stage2_block1", "stage3_block1", "stage4_block1"}
    assert not any("shortcut_bn" in params[block] for block in projected)
