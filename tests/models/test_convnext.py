import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnn_evolution as ce

# name: channels of the four stages
CHANNELS = {
    "convnext_tiny": (96, 192, 384, 768),
    "convnext_small": (96, 192, 384, 768),
    "convnext_base": (128, 256, 512, 1024),
    "convnext_large": (192, 384, 768, 1536),
}


@pytest.mark.parametrize("name", CHANNELS)
def test_endpoints_have_the_papers_shapes(name, published):
    channels = CHANNELS[name]
    expected = {"stem": (56, 56, channels[0]), "pre_logits": channels[-1:]}
    for stage, (side, c) in enumerate(zip((56, 28, 14, 7), channels, strict=True), start=1):
        expected[f"stage{stage}"] = (side, side, c)
    assert published(name).shapes == expected


def test_blocks_are_depthwise_7_by_7_and_inverted_bottlenecks(published):
    block = published("convnext_tiny").variables["params"]["stage1_block1"]
    assert block["depthwise"]["kernel"].shape == (7, 7, 1, 96)
    assert block["expand"]["kernel"].shape == (96, 4 * 96)
    assert block["project"]["kernel"].shape == (4 * 96, 96)


@pytest.mark.parametrize("name, rate", [("convnext_tiny", 0.1), ("convnext_small", 0.4), ("convnext_base", 0.5)])
def test_drop_rates_grow_evenly_from_zero_to_the_papers(name, rate):
    """Table 5."""
    model = ce.create_model(name, width=0.125)
    rates = []

    def record(call, args, kwargs, context):
        if isinstance(context.module, nn.Dropout) and context.module.name == "drop_path":
            rates.append(context.module.rate)
        return call(*args, **kwargs)

    with nn.intercept_methods(record):
        jax.eval_shape(model.init, jax.random.key(0), jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.float32))
    assert len(rates) == sum(model.depths)
    assert np.allclose(np.diff(rates), rate / (sum(model.depths) - 1))
    assert (rates[0], rates[-1]) == (0, rate)


@pytest.fixture(scope="module")
def narrow(draw):
    options = {"num_classes": 10, "width": 0.125, "input_size": 32, "depths": (1, 1, 1, 2), "drop_path": 0.5}
    model = ce.create_model("convnext_tiny", **options)
    return model, draw(model, 32), jax.random.normal(jax.random.key(0), (8, 32, 32, 3))


def test_branches_are_dropped_in_training_only(narrow):
    model, variables, images = narrow

    @functools.partial(jax.jit, static_argnames="train")
    def logits(key, train):
        return model.apply(variables, images, train=train, rngs={"dropout": key})

    first, second = jax.random.key(0), jax.random.key(1)
    assert not jnp.array_equal(logits(first, train=True), logits(second, train=True))
    assert jnp.array_equal(logits(first, train=False), logits(second, train=False))


def test_blocks_start_nearly_as_identities(initialise):
    model = ce.create_model("convnext_tiny", num_classes=10, width=0.5, input_size=32, depths=(1, 1, 1, 1))
    params = initialise(model, 32)
    assert (params["stage3_block1"]["layer_scale"] == jnp.float32(1e-6)).all()
    for name in ("expand", "project"):
        assert params["stage3_block1"][name]["kernel"].std() == pytest.approx(0.02, rel=0.05)
        assert not params["stage3_block1"][name]["bias"].any()
