import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

import cnn_evolution as ce

SHAPES = {
    "stem": (35, 35, 192),
    "mixed_5b": (35, 35, 256),
    "mixed_5c": (35, 35, 288),
    "mixed_5d": (35, 35, 288),
    "mixed_6a": (17, 17, 768),
    "mixed_6b": (17, 17, 768),
    "mixed_6c": (17, 17, 768),
    "mixed_6d": (17, 17, 768),
    "mixed_6e": (17, 17, 768),
    "mixed_7a": (8, 8, 1280),
    "mixed_7b": (8, 8, 2048),
    "mixed_7c": (8, 8, 2048),
    "pre_logits": (2048,),
}


def test_endpoints_have_the_papers_shapes(published):
    assert published("inception_v3").shapes == SHAPES


def test_filters_are_factored(published):
    params = published("inception_v3").variables["params"]

    def sizes(block):
        return {name: layer["conv"]["kernel"].shape[:2] for name, layer in params[block].items()}

    assert sizes("mixed_6b")["branch_7x7_2"] == (1, 7)
    assert sizes("mixed_6b")["branch_7x7_3"] == (7, 1)
    assert sizes("mixed_7b")["branch_3x3_2a"] == (1, 3)
    assert sizes("mixed_7b")["branch_3x3_2b"] == (3, 1)


def test_the_auxiliary_classifier_can_be_left_out(trace, parameters):
    model = ce.create_model("inception_v3", aux_heads=False)
    assert parameters(trace(model, 299).variables["params"]) == ce.model_info("inception_v3").params


@pytest.mark.parametrize("size", [75, 299])
def test_auxiliary_logits_exist_only_where_they_are_wanted(size):
    model = ce.create_model("inception_v3", num_classes=10, width=0.25, input_size=size, dtype=jnp.bfloat16)
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

    logits = apply(["aux_logits"])["aux_logits"]
    assert {key: (x.shape, x.dtype) for key, x in logits.items()} == {"6e": ((2, 10), jnp.float32)}
    assert "aux_6e" in computed
    assert "aux_logits" not in apply(["endpoints"])
    assert "aux_6e" not in computed
