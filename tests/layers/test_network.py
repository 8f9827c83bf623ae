import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from flax import traverse_util

import cnn_evolution as ce
from cnn_evolution import layers
from cnn_evolution.analysis.graph import trace


class Small(layers.NormalisedNetwork):
    """Two convolutions, the first one normalised, and an auxiliary classifier between them."""

    def backbone(self, images, train):
        norm, act = self.norm_layer(train, epsilon=1e-3, momentum=0.5), self.act or nn.relu
        x = layers.conv(4, 3, dtype=self.dtype, name="conv1")(images)
        x = self.endpoint("stem", act(norm(name="bn1")(x)))
        if self.auxiliary_wanted():
            logits = nn.Dense(self.num_classes, name="aux")(layers.global_avg_pool(x))
            layers.endpoint(self, "early", logits, "aux_logits")
        return self.endpoint("body", layers.conv(5, 1, dtype=self.dtype, name="conv2")(x))


class Convolutional(Small):
    """Its pre-logits are a map."""

    def pre_logits(self, x, train):
        return 2 * x


IMAGES = jax.random.normal(jax.random.key(0), (2, 6, 6, 3))


def variables_of(model):
    return model.init(jax.random.key(1), IMAGES)


def test_the_head_is_a_fully_connected_layer_over_the_means_of_the_last_map():
    model = Small(num_classes=10)
    variables = variables_of(model)
    found = ce.features(model, variables, IMAGES)
    assert list(found) == ["stem", "body", "pre_logits"]
    assert jnp.array_equal(found["pre_logits"], found["body"].mean((1, 2)))
    fc = variables["params"]["fc"]
    assert jnp.allclose(model.apply(variables, IMAGES), found["pre_logits"] @ fc["kernel"] + fc["bias"])


def test_logits_are_float32_in_half_precision():
    model = Small(num_classes=10, dtype=jnp.bfloat16)
    logits, state = model.apply(variables_of(model), IMAGES, mutable=["endpoints"])
    assert logits.dtype == jnp.float32
    assert state["endpoints"]["pre_logits"].dtype == jnp.bfloat16


@pytest.mark.parametrize("network, factor", [(Small, 1), (Convolutional, 2)])
def test_without_classes_a_vector_an_image_comes_back(network, factor):
    model = network(num_classes=0)
    variables = variables_of(model)
    assert set(variables["params"]) == {"conv1", "bn1", "conv2"}
    body = ce.features(model, variables, IMAGES)["body"]
    assert jnp.array_equal(model.apply(variables, IMAGES), (factor * body).mean((1, 2)))


def test_dropout_acts_on_the_pre_logits_and_in_training_only():
    model = Small(num_classes=0, dropout=0.5)
    variables = variables_of(model)
    whole = model.apply(variables, IMAGES)
    trained, _ = model.apply(
        variables, IMAGES, train=True, rngs={"dropout": jax.random.key(2)}, mutable=["batch_stats", "endpoints"]
    )
    assert (whole != 0).all()
    assert (trained == 0).any()


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("until", ["stem", "body", "pre_logits"])
def test_a_network_ends_at_an_endpoint_and_nothing_after_it_is_built(until, compiled):
    whole, part = Small(), Small(until=until)
    transform = jax.jit if compiled else lambda f: f
    variables, shorter = variables_of(whole), transform(part.init)(jax.random.key(1), IMAGES)
    found = transform(functools.partial(ce.features, whole))(variables, IMAGES)
    assert jnp.array_equal(transform(part.apply)(variables, IMAGES), found[until])
    built = {"stem": {"conv1", "bn1"}}.get(until, {"conv1", "bn1", "conv2"})
    assert set(shorter["params"]) == built
    paths = {name: traverse_util.flatten_dict(tree["params"]) for name, tree in {"a": variables, "b": shorter}.items()}
    assert all(jnp.array_equal(value, paths["a"][path]) for path, value in paths["b"].items())


def test_endpoints_up_to_the_end_are_stored_and_auxiliary_logits_are_not():
    model = Small(until="body")
    _, state = model.apply(variables_of(model), IMAGES, mutable=["endpoints", "aux_logits"])
    assert list(state["endpoints"]) == ["stem", "body"]
    assert "aux_logits" not in state


def test_auxiliary_logits_are_computed_where_they_are_wanted():
    model = Small(num_classes=10)
    variables = variables_of(model)
    assert "aux" in variables["params"]
    _, state = model.apply(variables, IMAGES, mutable=["aux_logits"])
    assert state["aux_logits"]["early"].shape == (2, 10)
    without = {key: value for key, value in variables["params"].items() if key != "aux"}
    assert model.apply(variables | {"params": without}, IMAGES).shape == (2, 10)


@pytest.mark.parametrize("call", [variables_of, lambda model: model.apply(variables_of(Small()), IMAGES)])
def test_an_endpoint_that_does_not_exist_is_named(call):
    with pytest.raises(ValueError, match="until is 'stage9'; expected the name of an endpoint of Small"):
        call(Small(until="stage9"))


def test_another_nonlinearity_takes_the_place_of_the_published_one():
    variables = variables_of(Small())
    model = Small(act=jnp.sin, until="stem")
    before = nn.BatchNorm(use_running_average=True, epsilon=1e-3).apply(
        {"params": variables["params"]["bn1"], "batch_stats": variables["batch_stats"]["bn1"]},
        nn.Conv(4, (3, 3), padding="VALID").apply({"params": variables["params"]["conv1"]}, IMAGES),
    )
    assert jnp.allclose(model.apply(variables, IMAGES), jnp.sin(before), atol=1e-5)


def test_a_nonlinearity_is_a_function():
    with pytest.raises(ValueError, match="act is 'relu'; expected a function of an array"):
        Small(act="relu")


def made_by(model):
    """What normalises in training, as the backbone asks for it."""
    return model.norm_layer(True, epsilon=1e-3, momentum=0.5)(name="bn1")


@pytest.mark.parametrize("norm", [None, layers.BatchNorm, layers.frozen_batch_norm])
def test_batch_normalisations_get_what_their_results_depend_on(norm):
    made = made_by(Small(norm=norm, axis_name="batch", dtype=jnp.bfloat16))
    assert isinstance(made, norm or layers.BatchNorm)
    assert (made.train, made.epsilon, made.momentum, made.axis_name, made.dtype) == (
        True,
        1e-3,
        0.5,
        "batch",
        jnp.bfloat16,
    )


def test_what_a_partial_states_stays():
    made = made_by(Small(norm=functools.partial(layers.BatchNorm, momentum=0.99), axis_name="batch"))
    assert (made.epsilon, made.momentum, made.axis_name) == (1e-3, 0.99, "batch")


def test_other_norms_are_called_with_train_dtype_and_name_alone():
    calls = []

    def norm(**options):
        calls.append(options)
        return nn.LayerNorm(name=options["name"])

    variables_of(Small(norm=norm, axis_name="batch"))
    assert calls == [{"train": False, "dtype": jnp.float32, "name": "bn1"}]


@pytest.mark.parametrize(
    "norm, message",
    [
        ("group", "norm is 'group'; expected a function of train, dtype and name"),
        (nn.GroupNorm, "unexpected keyword argument 'train'; expected .* such as layers.group_norm"),
        (layers.group_norm, "unexpected keyword argument 'train'; expected .* such as layers.group_norm"),
    ],
)
def test_a_norm_takes_what_it_is_called_with(norm, message):
    with pytest.raises(ValueError, match=message):
        Small(norm=norm)


def test_a_norm_needs_a_batch_normalisation_to_replace():
    class Optional(layers.OptionallyNormalisedNetwork):
        pass

    assert Optional(batch_norm=True, norm=layers.group_norm(2)).norm == layers.group_norm(2)
    with pytest.raises(ValueError, match="there is no batch normalisation to replace; expected batch_norm=True"):
        Optional(norm=layers.group_norm(2))


def test_networks_are_values():
    assert Small(norm=layers.group_norm(2), act=nn.silu) == Small(norm=layers.group_norm(2), act=nn.silu)
    assert hash(Small(norm=layers.group_norm(2))) == hash(Small(norm=layers.group_norm(2)))
    assert Small(norm=layers.group_norm(2)) != Small(norm=layers.group_norm(4))


def test_layers_have_the_paths_of_their_parameters_in_a_trace():
    paths = {operation.path for operation in trace(Small(), 6).operations}
    assert paths == {"", "conv1", "bn1", "aux", "conv2", "fc"}


def test_a_backbone_is_needed():
    with pytest.raises(NotImplementedError, match="Network has no backbone"):
        layers.Network().init(jax.random.key(0), IMAGES)
