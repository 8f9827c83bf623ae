import jax
import jax.numpy as jnp
import pytest

import cnn_evolution as ce

NAMES = ("se_resnet18", "se_resnet50", "se_resnet101", "se_resnet152", "se_resnext50_32x4d", "se_resnext101_32x4d")


@pytest.mark.parametrize("name", (*NAMES, "senet154"))
def test_endpoints_have_the_papers_shapes(name, published):
    expansion = 1 if name == "se_resnet18" else 4
    expected = {"stem": (56, 56, 128 if name == "senet154" else 64), "pre_logits": (512 * expansion,)}
    for stage, (side, channels) in enumerate(zip((56, 28, 14, 7), (64, 128, 256, 512), strict=True), start=1):
        expected[f"stage{stage}"] = (side, side, channels * expansion)
    assert published(name).shapes == expected


def test_every_block_gates_its_channels_through_a_sixteenth_of_them(published):
    blocks = {key: value for key, value in published("se_resnet50").variables["params"].items() if "_block" in key}
    assert len(blocks) == 16
    for params in blocks.values():
        channels = params["conv3"]["kernel"].shape[-1]
        assert params["attention"]["squeeze"]["kernel"].shape == (channels, channels // 16)
        assert params["attention"]["excite"]["kernel"].shape == (channels // 16, channels)
        assert "bias" in params["attention"]["squeeze"] and "bias" in params["attention"]["excite"]


def test_senet154_has_the_appendixs_changes(published):
    params = published("senet154").variables["params"]
    assert [params[f"conv{i}"]["kernel"].shape for i in (1, 2, 3)] == [(3, 3, 3, 64), (3, 3, 64, 64), (3, 3, 64, 128)]
    block = params["stage2_block1"]
    assert block["conv1"]["kernel"].shape[-1] * 2 == block["conv2"]["kernel"].shape[-1] == 512
    assert block["conv2"]["kernel"].shape[2] == 256 // 64
    assert block["shortcut_conv"]["kernel"].shape[:2] == (3, 3)
    assert params["stage1_block1"]["shortcut_conv"]["kernel"].shape[:2] == (1, 1)
    assert ce.create_model("senet154").dropout == 0.2


def test_se_resnet18s_branches_learn_even_if_the_last_scales_should_start_at_zero(initialise):
    model = ce.create_model("se_resnet18", width=0.25, input_size=32, depths=(1, 1, 1, 1), zero_init_last=True)
    assert (initialise(model, 32)["stage1_block1"]["bn2"]["scale"] == 1).all()


def test_it_is_the_resnet_when_every_gate_is_open(draw):
    options = {"num_classes": 10, "width": 0.25, "input_size": 32, "depths": (1, 1, 1, 1)}
    plain = ce.create_model("resnet50_v1", **options, ceil_pool=True)
    gated = ce.create_model("se_resnet50", **options)
    images = jax.random.normal(jax.random.key(0), (2, 32, 32, 3))
    variables = draw(gated, 32)

    def opened(path, value):  # a bias of 100 before the sigmoid
        return jnp.full_like(value, 100.0) if path[-2:] == ("excite", "bias") else value

    params = jax.tree_util.tree_map_with_path(
        lambda path, value: opened(tuple(part.key for part in path), value), variables["params"]
    )
    found = jax.jit(gated.apply)({**variables, "params": params}, images)
    without = {
        name: {key: value for key, value in layer.items() if key != "attention"} for name, layer in params.items()
    }
    expected = jax.jit(plain.apply)({**variables, "params": without}, images)
    assert jnp.allclose(found, expected, rtol=1e-5, atol=1e-5)
