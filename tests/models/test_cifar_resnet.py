import jax.numpy as jnp
import pytest

import cnn_evolution as ce

# name: n, where 6n + 2 is the number of layers (section 4.2)
BLOCKS = {
    "cifar_resnet20": 3,
    "cifar_resnet32": 5,
    "cifar_resnet44": 7,
    "cifar_resnet56": 9,
    "cifar_resnet110": 18,
    "cifar_plain20": 3,
    "cifar_plain56": 9,
}


@pytest.mark.parametrize("name", BLOCKS)
def test_endpoints_have_the_papers_shapes(name, published):
    assert published(name).shapes == {
        "stem": (32, 32, 16),
        "stage1": (32, 32, 16),
        "stage2": (16, 16, 32),
        "stage3": (8, 8, 64),
        "pre_logits": (64,),
    }


@pytest.mark.parametrize("name, n", BLOCKS.items())
def test_6n_plus_2_layers_have_weights(name, n, published):
    params = published(name).variables["params"]
    blocks = [layers for key, layers in params.items() if "_block" in key]
    assert {key for layers in blocks for key in layers} == {"conv1", "bn1", "conv2", "bn2"}
    assert 2 * len(blocks) + 2 == 6 * n + 2


def test_option_b_adds_two_projections(published):
    params = published("cifar_resnet56_option_b").variables["params"]
    assert {key for key, layers in params.items() if "shortcut_conv" in layers} == {"stage2_block1", "stage3_block1"}


@pytest.mark.parametrize("size", [32, 31])
def test_the_parameter_free_shortcut_takes_every_second_pixel_and_adds_zeros(size, draw):
    model = ce.create_model("cifar_resnet20", depths=(1, 1, 1))
    variables = draw(model, size)
    block = variables["params"]["stage2_block1"]
    block["bn2"]["scale"] = jnp.zeros_like(block["bn2"]["scale"])
    maps = ce.features(
        model, variables, jnp.asarray([[-1.0, 0.5, 2.0]]) * jnp.arange(size * size).reshape(1, size, size, 1)
    )
    assert jnp.array_equal(maps["stage2"][..., :16], maps["stage1"][:, ::2, ::2])
    assert not maps["stage2"][..., 16:].any()
    assert maps["stage2"].any()
