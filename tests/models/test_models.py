"""What holds for every architecture of the catalogue."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import traverse_util
from jax.extend.core import Literal

import cnn_evolution as ce
from cnn_evolution import layers
from cnn_evolution.models import mobilenet_v3
from cnn_evolution.models.mobilenet_v2 import Stage
from tests.tiers import WAITED_FOR, exhaustive, tiered

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
    "bn_inception": (11_295_240, 0, 2032.60),
    "inception_v3": (23_834_568, 27_161_264 - 23_834_568, 5713.22),
    "resnet18": (11_689_512, 0, 1814.07),
    "resnet34": (21_797_672, 0, 3663.76),
    "resnet50": (25_557_032, 0, 4089.18),
    "resnet101": (44_549_160, 0, 7801.41),
    "resnet152": (60_192_808, 0, 11513.63),
    "resnet50_v1": (25_557_032, 0, 3857.97),
    "resnet101_v1": (44_549_160, 0, 7570.19),
    "resnet152_v1": (60_192_808, 0, 11282.42),
    "resnet18_option_a": (11_515_688, 0, 1794.81),
    "resnet34_option_a": (21_623_848, 0, 3644.49),
    "plain18": (11_515_688, 0, 1794.81),
    "plain34": (21_623_848, 0, 3644.49),
    "cifar_resnet20": (269_722, 0, 40.55),
    "cifar_resnet32": (464_154, 0, 68.86),
    "cifar_resnet44": (658_586, 0, 97.17),
    "cifar_resnet56": (853_018, 0, 125.49),
    "cifar_resnet110": (1_727_962, 0, 252.89),
    "cifar_plain20": (269_722, 0, 40.55),
    "cifar_plain56": (853_018, 0, 125.49),
    "cifar_resnet20_option_b": (272_474, 0, 40.81),
    "cifar_resnet56_option_b": (855_770, 0, 125.75),
    "cifar_resnet110_option_b": (1_730_714, 0, 253.15),
    "resnext50_32x4d": (25_028_904, 0, 4230.48),
    "resnext101_32x4d": (44_177_704, 0, 7970.00),
    "resnext101_64x4d": (83_455_272, 0, 15460.27),
    "mobilenet_v1": (4_231_976, 0, 568.74),
    "mobilenet_v1_0_75": (2_585_560, 0, 325.40),
    "mobilenet_v1_0_5": (1_331_592, 0, 149.50),
    "mobilenet_v1_0_25": (470_072, 0, 41.03),
    "inception_v4": (42_679_816, 0, 12253.97),
    "inception_resnet_v2": (55_843_464, 0, 13155.79),
    "xception": (22_855_952, 0, 8357.40),
    "se_resnet18": (11_778_592, 0, 1814.16),
    "se_resnet50": (28_088_024, 0, 3860.49),
    "mobilenet_v2": (3_504_872, 0, 300.77),
    "resnext101_32x8d": (88_791_336, 0, 16414.02),
    "squeezenet1_0": (1_248_424, 0, 818.92),
    "squeezenet1_1": (1_235_496, 0, 349.15),
    "densenet121": (7_978_856, 0, 2834.16),
    "densenet161": (28_681_000, 0, 7727.91),
    "densenet169": (14_149_480, 0, 3359.84),
    "densenet201": (20_013_928, 0, 4291.37),
    "shufflenet_v1_g1": (1_531_936, 0, 143.08),
    "shufflenet_v1_g2": (1_733_848, 0, 140.84),
    "shufflenet_v1_g3": (1_865_728, 0, 137.46),
    "shufflenet_v1_g4": (1_968_344, 0, 134.34),
    "shufflenet_v1_g8": (2_434_768, 0, 138.37),
    "shufflenet_v2_x0_5": (1_366_792, 0, 40.48),
    "shufflenet_v2_x1_0": (2_278_604, 0, 144.91),
    "shufflenet_v2_x1_5": (3_503_624, 0, 295.76),
    "shufflenet_v2_x2_0": (7_393_996, 0, 583.25),
    "convnext_tiny": (28_589_128, 0, 4455.53),
    "convnext_small": (50_223_688, 0, 8683.71),
    "convnext_base": (88_591_464, 0, 15354.73),
    "convnext_large": (197_767_336, 0, 34361.43),
    "mnasnet0_5": (2_218_512, 0, 104.46),
    "mnasnet0_75": (3_170_208, 0, 215.49),
    "mnasnet1_0": (4_383_312, 0, 314.42),
    "mnasnet1_3": (6_282_256, 0, 526.36),
    "mobilenet_v3_large": (5_483_032, 0, 216.59),
    "mobilenet_v3_small": (2_542_856, 0, 56.51),
    "efficientnet_b0": (5_288_548, 0, 385.81),
    "efficientnet_b1": (7_794_184, 0, 686.80),
    "efficientnet_b2": (9_109_994, 0, 1087.53),
    "efficientnet_b3": (12_233_232, 0, 1827.14),
    "efficientnet_b4": (19_341_616, 0, 4393.77),
    "efficientnet_b5": (30_389_784, 0, 10266.38),
    "efficientnet_b6": (43_040_704, 0, 19067.59),
    "efficientnet_b7": (66_347_960, 0, 37745.88),
    "efficientnet_lite0": (4_652_008, 0, 385.19),
    "efficientnet_lite1": (5_416_680, 0, 600.19),
    "efficientnet_lite2": (6_092_072, 0, 859.74),
    "efficientnet_lite3": (8_197_096, 0, 1383.32),
    "efficientnet_lite4": (13_006_568, 0, 2553.03),
    "preresnet50": (25_549_480, 0, 4089.18),
    "preresnet101": (44_541_608, 0, 7801.41),
    "preresnet152": (60_185_256, 0, 11513.63),
    "preresnet200": (64_666_280, 0, 15007.48),
    "wide_resnet50_2": (68_883_240, 0, 11398.02),
    "wide_resnet101_2": (126_886_696, 0, 22753.05),
    "wrn_28_10": (36_479_194, 0, 5243.33),
    "se_resnet101": (49_326_872, 0, 7574.94),
    "se_resnet152": (66_821_848, 0, 11288.99),
    "se_resnext50_32x4d": (27_559_896, 0, 4232.99),
    "se_resnext101_32x4d": (48_955_416, 0, 7974.74),
    "senet154": (115_088_984, 0, 20688.36),
    "nasnet_a_mobile": (5_289_978, 0, 563.64),
    "nasnet_a_large": (88_753_150, 0, 23783.41),
    "pnasnet5_large": (86_057_668, 0, 24937.40),
}

# The scope puts all tests of a network next to each other, so that they share its traces.
every_model = pytest.mark.parametrize("name", tiered(ce.list_models()), scope="module")


def smallest(name: str) -> tuple[nn.Module, int]:
    """A narrow network in half precision at its smallest image size."""
    size = ce.model_info(name).min_input_size
    return ce.create_model(name, num_classes=10, dtype=jnp.bfloat16, width=0.25, input_size=size), size


def test_numbers_are_checked_for_every_model():
    assert set(NUMBERS) == set(ce.list_models())


@every_model
def test_parameters_and_multiply_accumulates_are_the_published_ones(name, published, parameters):
    spec, trace = ce.model_info(name), published(name)
    params = trace.variables["params"]
    auxiliary = parameters([value for key, value in params.items() if key.startswith("aux_")])
    assert (parameters(params) - auxiliary, auxiliary, round(spec.macs / 1e6, 2)) == NUMBERS[name]
    assert (spec.params, spec.aux_params) == (parameters(params) - auxiliary, auxiliary)


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
    ("bn_inception", {}),
    ("inception_v3", {}),
    ("resnet18", {"depths": (1, 1, 1, 1)}),
    ("resnet50", {"depths": (1, 1, 1, 1)}),
    ("resnet18_option_a", {"depths": (1, 1, 1, 1)}),
    ("plain18", {"depths": (1, 1, 1, 1)}),
    ("cifar_resnet20", {"depths": (1, 1, 1)}),
    ("resnext50_32x4d", {"depths": (1, 1, 1, 1)}),
    ("preresnet50", {"depths": (1, 1, 1, 1)}),
    ("wrn_28_10", {"depths": (1, 1, 1)}),
    ("mobilenet_v1", {}),
    ("inception_v4", {"depths": (1, 1, 1)}),
    ("inception_resnet_v2", {"depths": (1, 1, 2)}),
    ("xception", {"middle_blocks": 1}),
    ("se_resnet18", {"depths": (1, 1, 1, 1)}),
    ("se_resnet50", {"depths": (1, 1, 1, 1)}),
    ("senet154", {"depths": (1, 1, 1, 1)}),
    ("mobilenet_v2", {"stages": (Stage(1, 16, 1, 1), Stage(6, 24, 2, 2))}),
    ("squeezenet1_1", {}),
    ("densenet121", {"depths": (2, 1, 1, 1)}),
    ("shufflenet_v1_g3", {"depths": (2, 1, 1)}),
    ("shufflenet_v2_x1_0", {"depths": (2, 1, 1)}),
    ("convnext_tiny", {"depths": (1, 1, 1, 1)}),
    ("mnasnet1_0", {"stages": (Stage(1, 16, 1, 1), Stage(3, 24, 2, 2, 5))}),
    ("mobilenet_v3_small", {"stages": mobilenet_v3.SMALL[:2]}),
    ("efficientnet_b0", {"stages": (Stage(1, 16, 1, 1), Stage(6, 24, 2, 2, 5))}),
    ("efficientnet_lite0", {"stages": (Stage(1, 16, 1, 1), Stage(6, 24, 2, 2, 5))}),
    ("nasnet_a_mobile", {"depths": (1, 1, 1), "aux_heads": True}),
]


every_family = pytest.mark.parametrize(
    "name, options",
    [pytest.param(*one, id=one[0], marks=() if one[0] in WAITED_FOR else exhaustive) for one in NARROW],
)


@every_family
def test_init_returns_weights_only(name, options):
    size = ce.model_info(name).min_input_size
    model = ce.create_model(name, num_classes=10, width=0.125, input_size=size, **options)
    images = jnp.zeros((1, size, size, 3))
    assert set(jax.eval_shape(model.init, jax.random.key(0), images)) <= {"params", "batch_stats"}


def loss(model: nn.Module, variables: dict, images: jax.Array) -> jax.Array:
    """The cross-entropy of all heads in training mode, summed."""
    logits, state = model.apply(
        variables, images, train=True, rngs={"dropout": jax.random.key(0)}, mutable=["batch_stats", "aux_logits"]
    )
    heads = [logits, *state.get("aux_logits", {}).values()]
    labels = jnp.arange(len(images))
    return sum(optax.softmax_cross_entropy_with_integer_labels(head, labels).mean() for head in heads)


def on_images(model: nn.Module, variables: dict, images: jax.ShapeDtypeStruct) -> dict[str, bool]:
    """Whether each parameter's gradient is computed from the images or a constant, as the traced program says."""
    differentiate = jax.grad(lambda params, state, x: loss(model, state | {"params": params}, x))
    state = {key: value for key, value in variables.items() if key != "params"}
    program = jax.make_jaxpr(differentiate)(variables["params"], state, images).jaxpr
    computed = {program.invars[-1]}
    for equation in program.eqns:
        if not computed.isdisjoint(x for x in equation.invars if not isinstance(x, Literal)):
            computed.update(equation.outvars)
    gradients = jax.tree.unflatten(jax.tree.structure(variables["params"]), program.outvars)
    return {path: x in computed for path, x in traverse_util.flatten_dict(gradients, sep="/").items()}


@pytest.mark.parametrize("name", tiered(ce.list_models(), ("alexnet", "se_resnet18")), scope="module")
def test_the_image_reaches_the_gradient_of_every_parameter(name, trace):
    seen = trace(*smallest(name))
    images = jax.ShapeDtypeStruct((2, seen.size, seen.size, 3), jnp.float32)
    with layers.plain_convolutions():
        reached = on_images(dataclasses.replace(seen.model, dtype=jnp.float32), seen.variables, images)
    assert [path for path, found in reached.items() if not found] == []


@every_family
def test_every_parameter_gets_a_gradient(name, options, draw):
    size = max(48, ce.model_info(name).min_input_size)
    model = ce.create_model(name, num_classes=10, width=0.125, input_size=size, **options)
    variables = draw(model, size)
    images = np.random.default_rng(1).standard_normal((4, size, size, 3), np.float32)
    gradient = jax.jit(jax.grad(lambda params: loss(model, variables | {"params": params}, images)))
    gradients = gradient(variables["params"])
    for path, value in traverse_util.flatten_dict(gradients, sep="/").items():
        assert jnp.isfinite(value).all(), path
        # Batch normalisation takes away what a bias before it adds.
        layer, _, leaf = path.rpartition("/")
        biased = name in {"vgg11_bn", "bn_inception"}
        if not (biased and leaf == "bias" and layer.rpartition("/")[2].startswith("conv")):
            assert (value != 0).any(), path
