"""Costs against the catalogue, torchvision's figures, hand-made arithmetic and networks written elsewhere."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest
from jax import lax

import cnn_evolution as ce
from cnn_evolution import analysis, layers
from tests.tiers import tiered


def network(run):
    """A Linen module that computes `run(images)`, which may create submodules."""

    class Network(nn.Module):
        @nn.compact
        def __call__(self, x):
            return run(x)

    return Network()


@pytest.mark.parametrize("name", tiered(ce.list_models()))
def test_every_network_of_the_catalogue_costs_what_its_entry_says(name):
    spec, report = ce.model_info(name), ce.cost(name)
    assert (report.params, report.macs) == (spec.params, spec.macs)
    assert sum(report.unused.values()) == spec.aux_params
    assert report.remarks == ()
    assert report.weight_bytes == 4 * spec.params
    assert list(report.endpoints)[-1] == "pre_logits"


# torchvision 0.20's own figure for each network, in billions, and the size of the images that it is for
TORCHVISION = {
    "alexnet_owt": (0.714, 224),
    "convnext_tiny": (4.456, 224),
    "convnext_small": (8.684, 224),
    "convnext_base": (15.355, 224),
    "convnext_large": (34.361, 224),
    "densenet121": (2.834, 224),
    "densenet161": (7.728, 224),
    "densenet169": (3.36, 224),
    "densenet201": (4.291, 224),
    "efficientnet_b0": (0.386, 224),
    "efficientnet_b1": (0.687, 240),
    "efficientnet_b2": (1.088, 288),
    "efficientnet_b3": (1.827, 300),
    "efficientnet_b4": (4.394, 380),
    "efficientnet_b5": (10.266, 456),
    "efficientnet_b6": (19.068, 528),
    "efficientnet_b7": (37.746, 600),
    "googlenet_bn": (1.498, 224),
    "inception_v3": (5.713, 299),
    "mnasnet0_5": (0.104, 224),
    "mnasnet0_75": (0.215, 224),
    "mnasnet1_0": (0.314, 224),
    "mnasnet1_3": (0.526, 224),
    "mobilenet_v2": (0.301, 224),
    "mobilenet_v3_large": (0.217, 224),
    "mobilenet_v3_small": (0.057, 224),
    "resnet18": (1.814, 224),
    "resnet34": (3.664, 224),
    "resnet50": (4.089, 224),
    "resnet101": (7.801, 224),
    "resnet152": (11.514, 224),
    "resnext50_32x4d": (4.23, 224),
    "resnext101_32x8d": (16.414, 224),
    "resnext101_64x4d": (15.46, 224),
    "wide_resnet50_2": (11.398, 224),
    "wide_resnet101_2": (22.753, 224),
    "shufflenet_v2_x0_5": (0.04, 224),
    "shufflenet_v2_x1_0": (0.145, 224),
    "shufflenet_v2_x1_5": (0.296, 224),
    "shufflenet_v2_x2_0": (0.583, 224),
    "squeezenet1_0": (0.819, 224),
    "squeezenet1_1": (0.349, 224),
    "vgg11": (7.609, 224),
    "vgg11_bn": (7.609, 224),
    "vgg13": (11.308, 224),
    "vgg13_bn": (11.308, 224),
    "vgg16": (15.47, 224),
    "vgg16_bn": (15.47, 224),
    "vgg19": (19.632, 224),
    "vgg19_bn": (19.632, 224),
}


@pytest.mark.parametrize("name", TORCHVISION)
def test_macs_are_torchvisions_figures(name):
    figure, size = TORCHVISION[name]
    macs = ce.model_info(name).macs if size == ce.model_info(name).input_size else ce.cost(name, size).macs
    assert round(macs / 1e9, 3) == figure


def test_alexnet_layer_by_layer_is_the_papers():
    report = ce.cost("alexnet")
    assert [(row.name, row.kind, row.kernel, row.stride, row.output[1:]) for row in report.layers] == [
        ("conv1", "conv", (11, 11), (4, 4), (55, 55, 96)),
        ("pool1", "max pool", (3, 3), (2, 2), (27, 27, 96)),
        ("conv2", "conv", (5, 5), (1, 1), (27, 27, 256)),
        ("pool2", "max pool", (3, 3), (2, 2), (13, 13, 256)),
        ("conv3", "conv", (3, 3), (1, 1), (13, 13, 384)),
        ("conv4", "conv", (3, 3), (1, 1), (13, 13, 384)),
        ("conv5", "conv", (3, 3), (1, 1), (13, 13, 256)),
        ("pool5", "max pool", (3, 3), (2, 2), (6, 6, 256)),
        ("fc6", "fc", None, None, (4096,)),
        ("fc7", "fc", None, None, (4096,)),
        ("fc8", "fc", None, None, (1000,)),
    ]
    weights = {"conv1": 34_848, "conv2": 307_200, "conv3": 884_736, "conv4": 663_552, "conv5": 442_368}
    for row in report.of_kind("conv"):
        assert row.parameters == weights[row.name] + row.output[-1]
        assert row.macs == weights[row.name] * math.prod(row.output[1:3])
        assert row.bytes == 4 * math.prod(row.output)


def test_activation_memory_is_that_of_conv_outputs_or_of_everything_stored():
    conv_outputs = 55 * 55 * 96 + 27 * 27 * 256 + 13 * 13 * (384 + 384 + 256)
    pools, fully_connected = 27 * 27 * 96 + 13 * 13 * 256 + 6 * 6 * 256, 4096 + 4096 + 1000
    report = ce.cost("alexnet")
    assert report.activation_bytes == 4 * conv_outputs
    assert report.all_activation_bytes == 4 * (conv_outputs + pools + fully_connected)


def test_normalisation_relu_and_additions_work_in_place():
    report = ce.cost("resnet18", batch_size=2)
    assert all(row.bytes == 0 for row in report.of_kind("pointwise"))
    assert report.all_activation_bytes == report.activation_bytes + 2 * 4 * (56 * 56 * 64 + 512 + 1000)


def test_a_value_that_is_read_again_later_cannot_be_overwritten():
    def pre_activation(x):
        y = nn.relu(nn.BatchNorm(use_running_average=True, name="bn")(x))
        return x + nn.Conv(8, (3, 3), name="conv2")(y)

    report = ce.cost(network(lambda x: pre_activation(nn.Conv(8, (3, 3), name="conv1")(x))), 16)
    assert {row.name: row.bytes for row in report.layers} == dict.fromkeys(("conv1", "bn", "conv2"), 4 * 16 * 16 * 8)


def test_macs_and_activations_grow_with_the_batch_but_parameters_do_not():
    one, four = ce.cost("googlenet"), ce.cost("googlenet", batch_size=4)
    assert (four.params, four.macs) == (one.params, 4 * one.macs)
    assert four.all_activation_bytes == 4 * one.all_activation_bytes


def test_half_precision_halves_the_activations():
    full, half = (ce.cost(ce.create_model("alexnet", dtype=dtype), 227) for dtype in (jnp.float32, jnp.bfloat16))
    assert (half.activation_bytes, half.weight_bytes) == (full.activation_bytes // 2, full.weight_bytes)


def test_images_need_not_be_square_or_of_three_channels():
    report = ce.cost(network(lambda x: nn.Conv(2, (1, 1))(x)), (4, 6), channels=5)
    assert (report.input_shape, report.macs) == ((1, 4, 6, 5), 4 * 6 * 5 * 2)


# ---- Parts of a network


def test_stages_and_what_follows_them_make_the_whole():
    report = ce.cost("resnet50")
    stages = report.stages()
    assert list(stages) == ["stem", "stage1", "stage2", "stage3", "stage4", "pre_logits", "output"]
    for quantity in ("params", "macs", "activation_bytes", "all_activation_bytes"):
        assert sum(getattr(stage, quantity) for stage in stages.values()) == getattr(report, quantity)
    assert stages["output"].params == 2048 * 1000 + 1000
    assert stages["stem"].macs == 112 * 112 * 64 * 49 * 3


def test_inception_blocks_cost_what_the_table_of_layers_says():
    stages = ce.cost("googlenet").stages()
    assert {name: stages[name].params for name in ("3a", "4a", "4e", "5b")} == {
        "3a": 163_696,
        "4a": 376_176,
        "4e": 868_352,
        "5b": 1_444_080,
    }


def test_a_prefix_ends_at_an_endpoint_or_at_the_first_map_of_a_size():
    report = ce.cost("googlenet")
    assert report.up_to_endpoint("pool2") == report.up_to_map_size(28) == report.up_to_map_size((28, 28))
    names = [row.name for row in report.up_to_map_size(28).layers]
    assert names == ["conv1", "pool1", "conv2_reduce", "conv2", "pool2"]
    assert report.up_to_endpoint("pre_logits").params == report.params - 1024 * 1000 - 1000


def test_unknown_endpoints_and_map_sizes_are_named_with_what_there_is():
    report = ce.cost("resnet18")
    with pytest.raises(ValueError, match=r"resnet18 has no endpoint 'stage5'; it has stem, stage1, .*pre_logits"):
        report.up_to_endpoint("stage5")
    with pytest.raises(ValueError, match="resnet18 has no map of 27x27; it has 112x112, 56x56, 28x28, 14x14, 7x7"):
        report.up_to_map_size(27)


# ---- Networks that were not written here


def test_functional_convolutions_and_poolings_are_seen():
    def run(x):
        kernel = jnp.ones((5, 5, 3, 4))  # no parameter at all
        x = lax.conv_general_dilated(x, kernel, (2, 2), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return nn.avg_pool(nn.max_pool(x, (2, 2), (1, 1)), (3, 3), (3, 3))

    report = ce.cost(network(run), 15)
    assert [(row.kind, row.kernel, row.stride, row.output, row.macs) for row in report.layers] == [
        ("conv", (5, 5), (2, 2), (1, 6, 6, 4), 6 * 6 * 25 * 3 * 4),
        ("max pool", (2, 2), (1, 1), (1, 5, 5, 4), 0),
        ("avg pool", (3, 3), (3, 3), (1, 1, 1, 4), 0),
    ]


@pytest.mark.parametrize(
    ("layer", "parameters", "macs"),
    [
        (lambda: nn.Conv(8, (3, 3), use_bias=False), 9 * 4 * 8, 9 * 4 * 8 * 36),
        (lambda: layers.conv(8, 3, padding=1), 9 * 4 * 8 + 8, 9 * 4 * 8 * 36),
        (lambda: nn.Conv(8, (3, 3), feature_group_count=2), 9 * 2 * 8 + 8, 9 * 2 * 8 * 36),
        (lambda: nn.Conv(4, (3, 3), feature_group_count=4), 9 * 4 + 4, 9 * 4 * 36),
        (lambda: nn.Conv(8, (3, 3), kernel_dilation=2), 9 * 4 * 8 + 8, 9 * 4 * 8 * 36),
        (lambda: nn.ConvTranspose(8, (2, 2), strides=(2, 2)), 4 * 4 * 8 + 8, 4 * 4 * 8 * 36),
        (lambda: nn.Dense(8), 4 * 8 + 8, 4 * 8 * 36),
    ],
    ids=["conv", "ours", "groups", "depthwise", "dilated", "transposed", "dense on a map"],
)
def test_every_kind_of_convolution_is_counted(layer, parameters, macs):
    (row,) = ce.cost(network(lambda x: layer()(x)), 6, channels=4).layers
    assert (row.parameters, row.macs) == (parameters, macs)


def test_attention_is_counted_apart_from_its_projections():
    tokens, width = 16, 8

    def run(x):
        return nn.MultiHeadDotProductAttention(num_heads=2, name="attention")(x.reshape(1, tokens, width))

    report = ce.cost(network(run), 4, channels=width)
    assert report.params == 4 * (width * width + width)
    assert report.macs == 4 * tokens * width * width
    assert report.other_macs == 2 * tokens * tokens * width


def test_a_block_in_a_loop_counts_as_often_as_it_runs():
    class Block(nn.Module):
        @nn.compact
        def __call__(self, x, _):
            return nn.relu(nn.Conv(4, (3, 3), name="conv")(x)), None

    def run(x):
        stack = nn.scan(Block, variable_axes={"params": 0}, split_rngs={"params": True}, length=5)
        return stack(name="stack")(x, None)[0]

    report = ce.cost(network(run), 8, channels=4)
    assert (report.params, report.macs) == (5 * (9 * 16 + 4), 5 * 64 * 9 * 16)
    assert report.activation_bytes == 5 * 4 * 64 * 4
    assert (report.unused, report.remarks) == ({}, ())


@pytest.mark.parametrize("lifted", [nn.jit, nn.remat], ids=["jit", "remat"])
def test_lifted_modules_are_looked_into(lifted):
    report = ce.cost(network(lambda x: lifted(nn.Conv)(4, (3, 3), name="conv")(x)), 8)
    assert [(row.kind, row.parameters, row.macs) for row in report.layers] == [("conv", 9 * 12 + 4, 64 * 9 * 12)]


def test_a_module_that_is_called_twice_has_its_parameters_once():
    def run(x):
        conv = nn.Conv(3, (3, 3), name="conv")
        return conv(conv(x))

    assert [(row.name, row.parameters, row.macs) for row in ce.cost(network(run), 8).layers] == [
        ("conv", 9 * 9 + 3, 64 * 81),
        ("conv", 0, 64 * 81),
    ]


def test_parameters_of_the_network_itself_belong_to_the_network():
    class Scaled(nn.Module):
        @nn.compact
        def __call__(self, x):
            return x * self.param("gain", nn.initializers.ones, (3,))

    (row,) = ce.cost(Scaled(), 4).layers
    assert (row.name, row.kind, row.parameters) == ("gain", "pointwise", 3)


def test_training_mode_and_dropout_can_be_asked_for():
    class Network(nn.Module):
        @nn.compact
        def __call__(self, x, train):
            x = nn.BatchNorm(use_running_average=not train, name="bn")(nn.Conv(4, (3, 3), name="conv")(x))
            return nn.Dropout(0.5, deterministic=not train)(x)

    with pytest.raises(ValueError, match=r"Network cannot take .*'train'"):
        ce.cost(Network(), 8)
    assert ce.cost(Network(), 8, train=True).macs == ce.cost(Network(), 8, train=False).macs == 64 * 9 * 12


# ---- What cannot be attributed is reported


def test_operations_of_unknown_cost_are_reported():
    report = ce.cost(network(lambda x: jnp.sort(x, axis=1)), 8)
    assert report.remarks == ("Network: the cost of sort is not known",)
    assert [(row.kind, row.output) for row in report.layers] == [("sort", (1, 8, 8, 3))]


def test_loops_without_a_known_number_of_steps_are_reported():
    def run(x):
        return lax.while_loop(lambda x: x.sum() < 1, lambda x: x @ jnp.ones((3, 3)), x)

    report = ce.cost(network(run), 8)
    assert report.remarks == ("Network: a while loop: counted as if it ran once",)
    assert report.other_macs == 64 * 9


def test_choices_between_branches_are_reported():
    def run(x):
        return lax.cond(x.sum() > 0, lambda x: x, lambda x: x @ jnp.ones((3, 3)) + 1, x)

    report = ce.cost(network(run), 8)
    assert report.remarks == ("Network: a choice between branches: the one with most operations is counted",)
    assert report.other_macs == 64 * 9


def test_parameters_that_nothing_uses_are_reported_with_their_names():
    class Network(nn.Module):
        @nn.compact
        def __call__(self, x):
            nn.Dense(5, name="forgotten")(x.mean((1, 2)))
            return nn.Conv(4, (1, 1), name="conv")(x)

    report = ce.cost(Network(), 8)
    assert (report.params, report.macs) == (16, 64 * 12)
    assert report.unused == {"forgotten/bias": 5, "forgotten/kernel": 15}


def test_auxiliary_classifiers_are_no_part_of_inference():
    assert {path.partition("/")[0] for path in ce.cost("googlenet").unused} == {"aux_4a", "aux_4d"}


# ---- Bad input


@pytest.mark.parametrize(
    ("model", "what"),
    [(nn.Dense, "Dense, a class"), (lambda x: x, "of type function"), ({"params": {}}, "of type dict")],
)
def test_what_is_no_linen_module_is_refused(model, what):
    with pytest.raises(TypeError, match=f"model is {what}; expected a name .* or an instance of flax.linen.Module"):
        ce.cost(model, 224)


def test_names_are_looked_up_before_an_analysis():
    with pytest.raises(TypeError, match=r"model is of type str; expected an instance of flax\.linen\.Module"):
        analysis.cost("resnet18", 224)


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"no model 'resnet5'; did you mean .*resnet50"):
        ce.cost("resnet5")


def test_a_module_needs_an_input_size():
    with pytest.raises(ValueError, match="input_size is missing; ResNet is a module"):
        ce.cost(ce.create_model("resnet18"))


@pytest.mark.parametrize(("name", "size"), [("alexnet", 38), ("vgg16", 31), ("resnet18", 0)])
def test_images_that_are_too_small_for_the_catalogues_network_are_refused(name, size):
    with pytest.raises(ValueError, match=f"input_size is {size}; {name} needs at least"):
        ce.cost(name, size)


def test_images_that_are_too_small_for_a_module_are_refused():
    shrinking = network(lambda x: nn.Conv(4, (5, 5), padding="VALID", name="conv")(x))
    with pytest.raises(ValueError, match=r"\(1, 3, 3, 3\) are too small for Network: conv gets or makes an empty map"):
        ce.cost(shrinking, 3)
    with pytest.raises(ValueError, match=r"Network cannot take images of shape \(1, 3, 3, 3\): a pooling window of 4"):
        ce.cost(network(lambda x: layers.max_pool(x, 4)), 3)


def test_a_module_that_was_counted_still_starts_from_its_own_weights():
    ones = nn.initializers.ones
    dense = nn.Dense(3, use_bias=False, kernel_init=ones)
    images = jnp.ones((1, 2, 2, 3))
    for module in (dense, nn.Sequential([dense])):
        ce.cost(module, 2)
        (kernel,) = jax.tree.leaves(module.init(jax.random.key(0), images))
        assert (kernel == 1).all()


def test_nothing_is_allocated(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("something was computed")

    before = {id(array) for array in jax.live_arrays()}
    monkeypatch.setattr(jax, "device_put", refuse)
    ce.cost("vgg19", batch_size=10_000)  # half a terabyte of activations
    assert {id(array) for array in jax.live_arrays()} <= before
