import jax
import jax.numpy as jnp
import pytest

import cnn_evolution as ce


@pytest.mark.parametrize("name, expansion", [("se_resnet18", 1), ("se_resnet50", 4)])
def test_endpoints_have_the_papers_shapes(name, expansion, published):
    expected = {"stem": (56, 56, 64), "pre_logits": (512 * expansion,)}
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


def test_it_is_the_resnet_when_every_gate_is_open(draw):
    options = {"num_classes": 10, "width": 0.25, "input_size": 32, "depths": (1, 1, 1, 1)}
    plain = ce.create_model("resnet18", **options, ceil_pool=True)
    gated = ce.create_model("se_resnet18", **options)
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
