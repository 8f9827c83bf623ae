import functools

import jax
import jax.numpy as jnp
import pytest

import cnn_evolution as ce
from cnn_evolution import layers
from cnn_evolution.models.resnet import BasicBlock, Bottleneck

# name: channels leaving the four stages
CHANNELS = {
    "resnet18": (64, 128, 256, 512),
    "resnet34": (64, 128, 256, 512),
    "resnet50": (256, 512, 1024, 2048),
    "resnet101": (256, 512, 1024, 2048),
    "resnet152": (256, 512, 1024, 2048),
    "resnet50_v1": (256, 512, 1024, 2048),
    "resnet101_v1": (256, 512, 1024, 2048),
    "resnet152_v1": (256, 512, 1024, 2048),
}


@pytest.mark.parametrize("name", CHANNELS)
def test_endpoints_have_the_papers_shapes(name, published):
    expected = {"stem": (56, 56, 64), "pre_logits": CHANNELS[name][-1:]}
    for stage, (side, channels) in enumerate(zip((56, 28, 14, 7), CHANNELS[name], strict=True), start=1):
        expected[f"stage{stage}"] = (side, side, channels)
    assert published(name).shapes == expected


def test_shortcuts_are_projections_only_where_the_shape_changes(published):
    def projected(name):
        return {block for block, params in published(name).variables["params"].items() if "shortcut_conv" in params}

    assert projected("resnet18") == {"stage2_block1", "stage3_block1", "stage4_block1"}
    assert projected("resnet50") == {"stage1_block1", "stage2_block1", "stage3_block1", "stage4_block1"}


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
def test_a_block_with_zero_last_scale_starts_as_the_identity(block):
    module = block(
        features=8 if block is BasicBlock else 2,
        stride=1,
        conv=functools.partial(layers.conv, use_bias=False),
        norm=functools.partial(layers.batch_norm, train=True),
        last_norm=functools.partial(layers.batch_norm, train=True, scale_init=jax.nn.initializers.zeros),
        act=jax.nn.relu,
        attention=None,
    )
    x = jnp.abs(jax.random.normal(jax.random.key(0), (2, 5, 5, 8)))
    y, _ = jax.jit(module.init_with_output)(jax.random.key(1, impl="rbg"), x)
    assert jnp.array_equal(y, x)


NARROW = {"num_classes": 10, "width": 0.25, "input_size": 32, "depths": (1, 1, 1, 1)}


def test_initialisation_is_hes_with_the_fan_out(initialise):
    params = initialise(ce.create_model("resnet18", **NARROW), 32)
    kernels = [params["conv1"]["kernel"], *(params[f"stage{i}_block1"]["conv2"]["kernel"] for i in range(1, 5))]
    for kernel in kernels:
        height, width, _, fan_out = kernel.shape
        assert kernel.std() == pytest.approx((2 / (height * width * fan_out)) ** 0.5, rel=0.1)
    assert (params["stage1_block1"]["bn2"]["scale"] == 1).all()


def test_last_scales_start_at_zero_only_if_asked(initialise):
    params = initialise(ce.create_model("resnet50", **NARROW, zero_init_last=True), 32)
    scales = {name: (params["stage2_block1"][name]["scale"] == 0).all().item() for name in ("bn1", "bn2", "bn3")}
    assert scales == {"bn1": False, "bn2": False, "bn3": True}


def test_synchronised_statistics_are_those_of_the_whole_batch(draw):
    model = ce.create_model("resnet18", **NARROW)
    synchronised = ce.create_model("resnet18", **NARROW, axis_name="batch")
    variables = draw(model, 32)
    images = 3 + jax.random.normal(jax.random.key(0), (4, 32, 32, 3))

    @jax.jit
    def whole(images):
        return model.apply(variables, images, train=True, mutable=["batch_stats"])[1]

    @jax.jit
    @functools.partial(jax.vmap, axis_name="batch", out_axes=None)
    def shared(images):
        return synchronised.apply(variables, images, train=True, mutable=["batch_stats"])[1]

    expected, found = whole(images), shared(images.reshape(2, 2, 32, 32, 3))
    assert all(
        jnp.allclose(a, b, rtol=1e-3, atol=1e-4)
        for a, b in zip(jax.tree.leaves(expected), jax.tree.leaves(found), strict=True)
    )


@pytest.mark.parametrize("name", ["resnet18_option_a", "resnet34_option_a", "plain18", "plain34"])
def test_networks_without_projections_have_the_papers_shapes_too(name, published):
    assert published(name).shapes == published("resnet18").shapes
    assert not any("shortcut_conv" in layers for layers in published(name).variables["params"].values())


def test_a_plain_network_forgets_its_input_where_a_resnet_keeps_it(draw):
    """A last scale of 0 makes every branch nothing."""
    maps = {}
    for shortcut in ("A", "none"):
        model = ce.create_model("plain18", **NARROW, shortcut=shortcut)
        variables = draw(model, 32)
        block = variables["params"]["stage2_block1"]
        block["bn2"]["scale"] = jnp.zeros_like(block["bn2"]["scale"])
        maps[shortcut] = ce.features(model, variables, jnp.ones((1, 32, 32, 3)))["stage2"]
    assert maps["A"].any() and not maps["none"].any()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"shortcut": "C"}, "shortcut is 'C'; expected one of 'A', 'B', 'none'"),
        ({"shortcut": "none", "zero_init_last": True}, "zero_init_last is True, but without shortcuts"),
    ],
)
def test_wrong_options_are_refused(options, message, trace):
    with pytest.raises(ValueError, match=message):
        trace(ce.create_model("resnet18", **options), 32)
