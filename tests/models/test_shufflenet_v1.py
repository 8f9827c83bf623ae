import jax
import jax.numpy as jnp
import pytest

import cnn_evolution as ce

# Table 1: groups, channels leaving the three stages, millions of multiply-accumulates
TABLE_1 = {
    1: ((144, 288, 576), 143),
    2: ((200, 400, 800), 140),
    3: ((240, 480, 960), 137),
    4: ((272, 544, 1088), 133),
    8: ((384, 768, 1536), 137),
}


@pytest.mark.parametrize("groups", TABLE_1)
def test_endpoints_have_the_papers_shapes(groups, published):
    channels, _ = TABLE_1[groups]
    expected = {"stem": (56, 56, 24), "pre_logits": channels[-1:]}
    for stage, (side, leaving) in enumerate(zip((28, 14, 7), channels, strict=True), start=2):
        expected[f"stage{stage}"] = (side, side, leaving)
    assert published(f"shufflenet_v1_g{groups}").shapes == expected


@pytest.mark.parametrize("groups", TABLE_1)
def test_multiply_accumulates_are_about_the_papers(groups, published):
    assert published(f"shufflenet_v1_g{groups}").macs / 1e6 == pytest.approx(TABLE_1[groups][1], rel=0.011)


def test_pointwise_convolutions_are_grouped_but_for_the_first(published):
    params = published("shufflenet_v1_g3").variables["params"]
    assert params["stage2_block1"]["reduce"]["kernel"].shape == (1, 1, 24, 60)
    assert params["stage2_block2"]["reduce"]["kernel"].shape == (1, 1, 240 // 3, 60)
    assert params["stage2_block2"]["expand"]["kernel"].shape == (1, 1, 60 // 3, 240)
    assert params["stage2_block2"]["depthwise"]["kernel"].shape == (3, 3, 1, 60)


def test_units_with_a_stride_append_to_what_they_see(published):
    params = published("shufflenet_v1_g3").variables["params"]
    assert params["stage2_block1"]["expand"]["kernel"].shape[-1] == 240 - 24
    assert params["stage3_block1"]["expand"]["kernel"].shape[-1] == 480 - 240


@pytest.mark.parametrize("groups", TABLE_1)
@pytest.mark.parametrize("width", [0.125, 0.3, 0.5, 1.5])
def test_groups_divide_the_channels_at_any_width(groups, width, trace):
    model = ce.create_model(f"shufflenet_v1_g{groups}", width=width, depths=(2, 1, 1))
    assert trace(model, 32).logits.shape == (1, 1000)


def test_unknown_groups_are_refused():
    model = ce.create_model("shufflenet_v1_g3", groups=5)
    with pytest.raises(ValueError, match="groups is 5; expected one of 1, 2, 3, 4, 8"):
        jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
