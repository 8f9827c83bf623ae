import jax
import jax.numpy as jnp
import pytest

import cnn_evolution as ce

# name: growth rate, channels leaving the four blocks
CHANNELS = {
    "densenet121": (32, (256, 512, 1024, 1024)),
    "densenet161": (48, (384, 768, 2112, 2208)),
    "densenet169": (32, (256, 512, 1280, 1664)),
    "densenet201": (32, (256, 512, 1792, 1920)),
}


@pytest.mark.parametrize("name", CHANNELS)
def test_endpoints_have_the_papers_shapes(name, published):
    growth_rate, channels = CHANNELS[name]
    expected = {"stem": (56, 56, 2 * growth_rate), "pre_logits": channels[-1:]}
    for block, (side, leaving) in enumerate(zip((56, 28, 14, 7), channels, strict=True), start=1):
        expected[f"block{block}"] = (side, side, leaving)
        if block < 4:
            expected[f"transition{block}"] = (side // 2, side // 2, leaving // 2)
    assert published(name).shapes == expected


@pytest.mark.parametrize("name", CHANNELS)
def test_layers_see_all_before_them_and_add_the_growth_rate(name, published):
    growth_rate, _ = CHANNELS[name]
    params = published(name).variables["params"]
    for i in range(1, 7):
        layer = params[f"block1_layer{i}"]
        assert layer["conv1"]["kernel"].shape == (1, 1, (2 + i - 1) * growth_rate, 4 * growth_rate)
        assert layer["conv2"]["kernel"].shape == (3, 3, 4 * growth_rate, growth_rate)


def test_a_layer_passes_its_input_on(draw):
    model = ce.create_model("densenet121", num_classes=10, width=0.25, input_size=32, depths=(2, 1, 1, 1))
    images = jax.random.normal(jax.random.key(0), (2, 32, 32, 3))
    found = jax.jit(lambda variables, x: ce.features(model, variables, x))(draw(model, 32), images)
    stem, block = found["stem"], found["block1"]
    assert jnp.array_equal(block[..., : stem.shape[-1]], stem)
