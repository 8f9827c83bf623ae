"""What holds for every architecture of the catalogue."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import traverse_util

import cnn_evolution as ce
from cnn_evolution.models import MODELS
from cnn_evolution.models.mobilenet_v2 import Stage

# name: (parameters, those of auxiliary classifiers, millions of multiply-accumulates); from layer arithmetic on the
# papers' tables and from torchvision's and timm's own figures
NUMBERS = {
    "alexnet": (60_965_224, 0, 724.41),
    "alexnet_single": (62_378_344, 0, 1135.26),
    "zfnet": (62_357_608, 0, 1168.03),
    "zfnet_b": (107_627_624, 0, 2476.70),
    "alexnet_owt": (61_100_840, 0, 714.19),
    "vgg11": (132_863_336, 0, 7609.09),
    "vgg13": (133_047_848, 0, 11308.47),
    "vgg16": (138_357_544, 0, 15470.26),
    "vgg19": (143_667_240, 0, 19632.06),
    "vgg16_lecture": (137_767_464, 0, 13620.58),
    "vgg19_lecture": (142_487_080, 0, 15932.69),
    "googlenet": (6_998_552, 13_378_280 - 6_998_552, 1582.67),
    "vgg11_bn": (132_868_840, 0, 7609.09),
    "vgg13_bn": (133_053_736, 0, 11308.47),
    "vgg16_bn": (138_365_992, 0, 15470.26),
    "vgg19_bn": (143_678_248, 0, 19632.06),
    "googlenet_bn": (6_624_904, 13_004_888 - 6_624_904, 1498.38),
    "resnet18": (11_689_512, 0, 1814.07),
    "resnet34": (21_797_672, 0, 3663.76),
    "resnet50": (25_557_032, 0, 4089.18),
    "resnet101": (44_549_160, 0, 7801.41),
    "resnet152": (60_192_808, 0, 11513.63),
    "resnet50_v1": (25_557_032, 0, 3857.97),
    "resnet101_v1": (44_549_160, 0, 7570.19),
    "resnet152_v1": (60_192_808, 0, 11282.42),
    "resnext50_32x4d": (25_028_904, 0, 4230.48),
    "resnext101_32x4d": (44_177_704, 0, 7970.00),
    "resnext101_64x4d": (83_455_272, 0, 15460.27),
    "mobilenet_v1": (4_231_976, 0, 568.74),
    "mobilenet_v1_0_75": (2_585_560, 0, 325.40),
    "mobilenet_v1_0_5": (1_331_592, 0, 149.50),
    "mobilenet_v1_0_25": (470_072, 0, 41.03),
    "se_resnet18": (11_778_592, 0, 1814.16),
    "se_resnet50": (28_088_024, 0, 3860.49),
    "mobilenet_v2": (3_504_872, 0, 300.77),
    "resnext101_32x8d": (88_791_336, 0, 16414.02),
}

every_model = pytest.mark.parametrize("name", MODELS)


def smallest(name: str) -> tuple[nn.Module, int]:
    """A narrow network in half precision at its smallest image size."""
    size = ce.model_info(name).min_input_size
    return ce.create_model(name, num_classes=10, dtype=jnp.bfloat16, width=0.25, input_size=size), size


def test_numbers_are_checked_for_every_model():
    assert set(NUMBERS) == set(MODELS)


@every_model
def test_parameters_and_multiply_accumulates_are_the_published_ones(name, published, parameters):
    spec, trace = ce.model_info(name), published(name)
    params = trace.variables["params"]
    auxiliary = parameters([value for key, value in params.items() if key.startswith("aux_")])
    assert (parameters(params) - auxiliary, auxiliary, round(spec.macs / 1e6, 2)) == NUMBERS[name]
    assert (spec.params, spec.aux_params) == (parameters(params) - auxiliary, auxiliary)


@every_model
def test_init_returns_weights_only(name, published):
    assert set(published(name).variables) <= {"params", "batch_stats"}


@every_model
def test_modules_have_meaningful_names(name, published):
    for path in traverse_util.flatten_dict(published(name).variables["params"]):
        assert not any(part.startswith(("Conv_", "Dense_", "BatchNorm_", "Dropout_")) for part in path), path


@every_model
def test_half_precision_computes_in_bfloat16_but_gives_float32_logits(name, trace):
    seen = trace(*smallest(name))
    assert (seen.logits.shape, seen.logits.dtype) == ((1, 10), jnp.float32)
    assert {x.dtype for x in seen.endpoints.values()} == {jnp.dtype(jnp.bfloat16)}
    assert {x.dtype for x in jax.tree.leaves(seen.variables)} == {jnp.dtype(jnp.float32)}


@every_model
def test_without_classes_the_pre_logits_come_back(name, trace, published):
    headless = trace(ce.create_model(name, num_classes=0), ce.model_info(name).input_size)
    assert headless.logits.shape == published(name).endpoints["pre_logits"].shape
    assert not {"fc", "fc8", "aux_4a", "aux_4d"} & set(headless.variables["params"])


@every_model
def test_smallest_image_size_is_exact(name, trace):
    model, size = smallest(name)
    assert trace(model, size).logits.shape == (1, 10)
    with pytest.raises(ValueError, match="does not fit"):
        trace(model, size - 1)


# A form of each family small enough to be computed: (name, options).
NARROW = [
    ("alexnet", {}),
    ("alexnet_owt", {}),
    ("zfnet", {}),
    ("vgg11", {}),
    ("vgg11_bn", {}),
    ("googlenet", {}),
    ("googlenet_bn", {}),
    ("resnet18", {"depths": (1, 1, 1, 1)}),
    ("resnet50", {"depths": (1, 1, 1, 1)}),
    ("resnext50_32x4d", {"depths": (1, 1, 1, 1)}),
    ("mobilenet_v1", {}),
    ("se_resnet50", {"depths": (1, 1, 1, 1)}),
    ("mobilenet_v2", {"stages": (Stage(1, 16, 1, 1), Stage(6, 24, 2, 2))}),
]


@pytest.mark.parametrize("name, options", NARROW, ids=[name for name, _ in NARROW])
def test_every_parameter_gets_a_gradient(name, options, draw):
    model = ce.create_model(name, num_classes=10, width=0.125, input_size=48, **options)
    variables = draw(model, 48)
    images = np.random.default_rng(1).standard_normal((4, 48, 48, 3), np.float32)

    @jax.jit
    @jax.grad
    def gradient(params):
        logits, state = model.apply(
            {**variables, "params": params},
            images,
            train=True,
            rngs={"dropout": jax.random.key(0)},
            mutable=["batch_stats", "aux_logits"],
        )
        heads = [logits, *state.get("aux_logits", {}).values()]
        return sum(optax.softmax_cross_entropy_with_integer_labels(head, jnp.arange(4)).mean() for head in heads)

    for path, value in traverse_util.flatten_dict(gradient(variables["params"]), sep="/").items():
        assert jnp.isfinite(value).all(), path
        # Batch normalisation takes away what a bias before it adds.
        if not (name == "vgg11_bn" and path.startswith("conv") and path.endswith("bias")):
            assert (value != 0).any(), path
