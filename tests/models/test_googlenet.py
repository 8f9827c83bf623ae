import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

import cnn_evolution as ce

SHAPES = {
    "conv1": (112, 112, 64),
    "pool1": (56, 56, 64),
    "norm1": (56, 56, 64),
    "conv2_reduce": (56, 56, 64),
    "conv2": (56, 56, 192),
    "norm2": (56, 56, 192),
    "pool2": (28, 28, 192),
    "3a": (28, 28, 256),
    "3b": (28, 28, 480),
    "pool3": (14, 14, 480),
    "4a": (14, 14, 512),
    "4b": (14, 14, 512),
    "4c": (14, 14, 512),
    "4d": (14, 14, 528),
    "4e": (14, 14, 832),
    "pool4": (7, 7, 832),
    "5a": (7, 7, 832),
    "5b": (7, 7, 1024),
    "pre_logits": (1024,),
}

# Table 1: parameters of every block, with biases
BLOCKS = {
    "3a": 163_696,
    "3b": 388_736,
    "4a": 376_176,
    "4b": 449_160,
    "4c": 510_104,
    "4d": 605_376,
    "4e": 868_352,
    "5a": 1_043_456,
    "5b": 1_444_080,
}


def test_endpoints_have_the_papers_shapes(published):
    assert published("googlenet").shapes == SHAPES


def test_batch_normalised_form_has_the_same_shapes_without_response_normalisation(published):
    without = {name: shape for name, shape in SHAPES.items() if not name.startswith("norm")}
    assert published("googlenet_bn").shapes == without


@pytest.mark.parametrize("block", BLOCKS)
def test_blocks_have_the_papers_parameters(block, published, parameters):
    assert parameters(published("googlenet").variables["params"][f"inception_{block}"]) == BLOCKS[block]


@pytest.mark.parametrize("name, size", [("googlenet", 5), ("googlenet_bn", 3)])
def test_filter_size_of_the_third_branch(name, size, published):
    block = published(name).variables["params"]["inception_3a"]
    assert block["branch_5x5"]["kernel"].shape == (size, size, 16, 32)


def test_five_by_five_with_batch_normalisation_is_a_matter_of_options(trace, parameters):
    """The network between the two: 7,005,832 parameters."""
    model = ce.create_model("googlenet_bn", large_kernel=5, aux_heads=False)
    assert parameters(trace(model, 224).variables["params"]) == 7_005_832


@pytest.mark.parametrize("name", ["googlenet", "googlenet_bn"])
def test_auxiliary_classifiers_can_be_left_out(name, trace, parameters):
    model = ce.create_model(name, aux_heads=False)
    assert parameters(trace(model, 224).variables["params"]) == ce.model_info(name).params


@pytest.mark.parametrize("name", ["googlenet", "googlenet_bn"])
@pytest.mark.parametrize("size", [224, 48])
def test_auxiliary_logits_exist_only_where_they_are_wanted(name, size):
    model = ce.create_model(name, num_classes=10, width=0.25, input_size=size)
    images = jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), images)
    computed = []

    def apply(mutable):
        computed.clear()
        with nn.intercept_methods(record):
            return jax.eval_shape(lambda v, x: model.apply(v, x, mutable=mutable), variables, images)[1]

    def record(call, args, kwargs, context):
        computed.append(context.module.name)
        return call(*args, **kwargs)

    assert {key: x.shape for key, x in apply(["aux_logits"])["aux_logits"].items()} == {"4a": (2, 10), "4d": (2, 10)}
    assert {"aux_4a", "aux_4d"} <= set(computed)
    assert "aux_logits" not in apply(["endpoints"])
    assert not {"aux_4a", "aux_4d"} & set(computed)


def test_auxiliary_logits_are_float32():
    model = ce.create_model("googlenet", num_classes=10, width=0.25, input_size=48, dtype=jnp.bfloat16)
    images = jax.ShapeDtypeStruct((2, 48, 48, 3), jnp.float32)
    _, state = jax.eval_shape(
        lambda key, x: model.apply(model.init(key, x), x, mutable=["aux_logits"]), jax.random.key(0), images
    )
    assert {x.dtype for x in state["aux_logits"].values()} == {jnp.dtype(jnp.float32)}
