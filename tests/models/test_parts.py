"""What can be replaced in every architecture, and where it can end."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util
from jax.extend.core import jaxprs_in_params

import cnn_evolution as ce
from cnn_evolution import layers
from cnn_evolution.layers.batch_independent import GroupNorm
from tests.tiers import WAITED_FOR, exhaustive, tiered

# Names of networks that have no batch normalisation.
WITHOUT_NORM = [
    name
    for name in ce.list_models()
    if name.startswith(("alexnet", "zfnet", "squeezenet", "convnext")) or name == "googlenet"
] + ["vgg11", "vgg13", "vgg16", "vgg19", "vgg16_lecture", "vgg19_lecture"]

# Of each file the network of the fewest operations, and one more of those with several kinds of blocks.
SMALLEST = {ce.model_info(name).module: name for name in sorted(ce.list_models(), key=lambda x: -ce.model_info(x).macs)}
ONE_OF_EACH_KIND = sorted({*SMALLEST.values(), *WAITED_FOR, "resnet50", "vgg11_bn", "googlenet_bn", "preresnet50"})
WITH_NORM = [name for name in ONE_OF_EACH_KIND if name not in WITHOUT_NORM]

# The scope puts all tests of a network next to each other, so that they share its traces.
every_model = pytest.mark.parametrize("name", tiered(ONE_OF_EACH_KIND), scope="module")
every_normalised_model = pytest.mark.parametrize("name", tiered(WITH_NORM), scope="module")


def small(name: str, **options) -> tuple[nn.Module, int]:
    """A network at its smallest image size, with auxiliary classifiers where there are any."""
    size = ce.model_info(name).min_input_size
    if name.startswith(("nasnet", "pnasnet")):
        options["aux_heads"] = True
    return ce.create_model(name, num_classes=10, input_size=size, **options), size


def norms_of(modules):
    return {path: module for path, module in modules.items() if isinstance(module, layers.BatchNorm | GroupNorm)}


@every_normalised_model
def test_a_norm_replaces_every_batch_normalisation(name, called):
    published = norms_of(called(*small(name)))
    replaced = norms_of(called(*small(name, norm=layers.group_norm(1))))
    assert list(replaced) == list(published) != []
    assert {type(module) for module in replaced.values()} == {GroupNorm}


@every_normalised_model
def test_parameters_of_another_norm_have_the_same_paths_and_there_are_no_statistics(name, trace):
    published, replaced = trace(*small(name)).variables, trace(*small(name, norm=layers.group_norm(1))).variables
    assert set(published) == {"params", "batch_stats"}
    assert set(replaced) == {"params"}
    assert jax.tree.map(jnp.shape, replaced["params"]) == jax.tree.map(jnp.shape, published["params"])


@every_normalised_model
def test_frozen_normalisation_keeps_variables_and_constants(name, trace, called):
    frozen = small(name, norm=layers.frozen_batch_norm)
    expected = jax.tree.map(jnp.shape, trace(*small(name)).variables)
    assert jax.tree.map(jnp.shape, trace(*frozen).variables) == expected
    before, after = (norms_of(called(*one)) for one in (small(name), frozen))
    assert {type(module) for module in after.values()} == {layers.FrozenBatchNorm}
    assert {path: module.epsilon for path, module in after.items()} == {p: m.epsilon for p, m in before.items()}


@pytest.mark.parametrize("name", WITHOUT_NORM)
def test_where_there_is_no_batch_normalisation_nothing_can_replace_it(name):
    build = ce.model_info(name).build
    network = build()
    if isinstance(network, layers.OptionallyNormalisedNetwork):
        with pytest.raises(ValueError, match="no batch normalisation to replace; expected batch_norm=True"):
            build(norm=layers.group_norm(2))
    else:
        assert not hasattr(network, "norm")


def test_zero_scales_of_branches_belong_to_batch_normalisation():
    options = {"zero_init_last": True, "num_classes": 10, "width": 0.125, "depths": (1, 1, 1, 1)}
    images = jnp.zeros((1, 32, 32, 3))
    frozen = ce.create_model("resnet18", norm=layers.frozen_batch_norm, **options)
    variables = jax.eval_shape(frozen.init, jax.random.key(0), images)
    assert "batch_stats" in variables
    grouped = ce.create_model("resnet18", norm=layers.group_norm(2), **options)
    with pytest.raises(ValueError, match="zero_init_last is True, but norm replaces batch normalisation"):
        jax.eval_shape(grouped.init, jax.random.key(0), images)


# A form small enough to be computed: (name, options); of each kind of epsilon, and of blocks without shortcuts.
COMPUTED = [
    ("resnet18", {"depths": (1, 1, 1, 1)}),
    ("vgg11_bn", {}),
    ("googlenet_bn", {}),
    ("inception_v4", {"depths": (1, 1, 1)}),
    ("nasnet_a_mobile", {"depths": (1, 1, 1)}),
]


@pytest.mark.parametrize(
    "name, options",
    [pytest.param(*one, id=one[0], marks=() if one[0] == "resnet18" else exhaustive) for one in COMPUTED],
)
def test_frozen_normalisation_in_training_gives_what_evaluation_gives(name, options, draw):
    size = ce.model_info(name).min_input_size
    create = functools.partial(
        ce.create_model, name, num_classes=10, width=0.125, input_size=size, dropout=0.0, **options
    )
    variables = draw(create(), size)
    rng = np.random.default_rng(1)
    statistics = jax.tree.map(lambda x: rng.uniform(0.5, 1.5, x.shape).astype(np.float32), variables["batch_stats"])
    variables |= {"batch_stats": statistics}
    images = rng.standard_normal((2, size, size, 3), np.float32)
    expected = jax.jit(create().apply)(variables, images)
    frozen = create(norm=layers.frozen_batch_norm)
    found, state = jax.jit(functools.partial(frozen.apply, train=True, mutable=["batch_stats"]))(variables, images)
    assert jnp.allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert jax.tree.all(jax.tree.map(jnp.array_equal, state["batch_stats"], statistics))


CLASSIFIERS = {"fc", "fc8", "conv10"}
NONLINEAR = {"relu", "relu6", "silu", "hard_silu"}


def nonlinearities(jaxpr) -> int:
    """How often a traced program rectifies, in any of the ways that networks do; gates do not count."""
    number = 0
    for equation in jaxpr.eqns:
        name = equation.params.get("name")
        if name in NONLINEAR or equation.primitive.name == "erfc":
            number += 1
        elif name != "hard_sigmoid":
            number += sum(nonlinearities(inner) for inner in jaxprs_in_params(equation.params))
    return number


def gates(jaxpr) -> int:
    """How many sigmoids a traced program has, piecewise linear ones included; those of swish do not count."""
    number = 0
    for equation in jaxpr.eqns:
        name = equation.params.get("name")
        if name == "hard_sigmoid" or equation.primitive.name == "logistic":
            number += 1
        elif name not in NONLINEAR:
            number += sum(gates(inner) for inner in jaxprs_in_params(equation.params))
    return number


def traced(model: nn.Module, size: int):
    """The program of training, all heads included."""
    keys = {"params": jax.random.key(0), "dropout": jax.random.key(1)}
    with layers.plain_convolutions():
        return jax.make_jaxpr(lambda x: model.apply({}, x, train=True, rngs=keys, mutable=True))(
            jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32)
        ).jaxpr


@every_model
def test_a_nonlinearity_replaces_every_published_one_and_no_gate(name):
    calls = []

    def act(x):
        calls.append(x.shape)
        return jnp.sin(x)

    published, replaced = traced(*small(name)), traced(*small(name, act=act))
    assert len(calls) == nonlinearities(published) > 0
    assert nonlinearities(replaced) == 0
    assert [gates(program) for program in (published, replaced)] == [gates(published)] * 2


@pytest.mark.parametrize("name, number", [("se_resnet18", 8), ("mobilenet_v3_small", 9)])
def test_gates_stay(name, number):
    assert gates(traced(*small(name, act=jnp.sin))) == number


@every_model
def test_a_network_can_end_at_every_endpoint(name, trace):
    model, size = small(name)
    whole = trace(model, size)
    params = shapes_by_path(whole)
    parts = {until: trace(model.clone(until=until), size) for until in whole.endpoints}
    for until, part in parts.items():
        assert part.logits.shape == whole.endpoints[until].shape
        assert shapes_by_path(part).items() <= params.items()
        assert not any(path[0].startswith("aux_") or path[0] in CLASSIFIERS for path in shapes_by_path(part))
    built: set = set()
    for number, (until, part) in enumerate(sorted(parts.items(), key=lambda part: len(part[1].endpoints)), start=1):
        assert len(part.endpoints) == number and until in part.endpoints
        assert built <= shapes_by_path(part).keys()
        built |= shapes_by_path(part).keys()


def shapes_by_path(trace) -> dict:
    return traverse_util.flatten_dict(jax.tree.map(jnp.shape, trace.variables["params"]))


def test_what_ends_before_the_fully_connected_layers_has_none():
    assert (
        "fc6"
        not in ce.create_model("vgg11", until="pool5").init(jax.random.key(0, impl="rbg"), jnp.zeros((1, 32, 32, 3)))[
            "params"
        ]
    )


@pytest.mark.parametrize("name", WAITED_FOR)
def test_the_value_is_that_of_the_feature_map(name, draw):
    size = max(32, ce.model_info(name).min_input_size)
    model = ce.create_model(name, num_classes=10, width=0.125, input_size=size)
    variables = draw(model, size)
    images = np.random.default_rng(1).standard_normal((1, size, size, 3), np.float32)
    for until, value in ce.features(model, variables, images).items():
        assert jnp.array_equal(model.clone(until=until).apply(variables, images), value), until


@every_model
def test_without_classes_a_vector_an_image_comes_back(name, trace):
    size = ce.model_info(name).min_input_size
    headless = trace(ce.create_model(name, num_classes=0, input_size=size), size)
    assert headless.logits.shape == (1, headless.endpoints["pre_logits"].shape[-1])
    assert not any(key.startswith("aux_") or key in CLASSIFIERS for key in headless.variables["params"])
