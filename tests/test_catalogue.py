import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

import cnn_evolution as ce
from cnn_evolution.models import MODELS


def test_names_come_in_order_of_history():
    years = [ce.model_info(name).year for name in ce.list_models()]
    assert years == sorted(years)
    assert ce.list_models()[0] == "alexnet"


@pytest.mark.parametrize(
    "filters, names",
    [
        ({"pattern": "resnet*_v1"}, ["resnet50_v1", "resnet101_v1", "resnet152_v1"]),
        ({"family": "zfnet"}, ["zfnet", "zfnet_b"]),
        ({"pattern": "*_lecture", "family": "VGG"}, ["vgg16_lecture", "vgg19_lecture"]),
        ({"family": "VGG", "year": 2015}, ["vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn"]),
        ({"year": 2012}, ["alexnet", "alexnet_single"]),
        ({"pattern": "transformer*"}, []),
    ],
)
def test_names_can_be_filtered(filters, names):
    assert ce.list_models(**filters) == names


def test_unknown_family_names_the_families():
    with pytest.raises(ValueError, match="no family 'LeNet'; there are AlexNet, ZFNet, VGG, GoogLeNet, "):
        ce.list_models(family="LeNet")


@pytest.mark.parametrize("call", [ce.model_info, ce.create_model])
@pytest.mark.parametrize(
    "wrong, nearest", [("resnet-50", "resnet50"), ("GoogleNet", "googlenet"), ("vgg16bn", "vgg16_bn")]
)
def test_unknown_model_names_the_nearest(call, wrong, nearest):
    with pytest.raises(ValueError, match=rf"no model '{wrong}'; did you mean .*\b{nearest}\b"):
        call(wrong)


def test_unknown_model_that_nothing_resembles():
    with pytest.raises(ValueError, match=r"nothing comes near \(list_models\(\) has all"):
        ce.create_model("")


@pytest.mark.parametrize(
    "name, arguments, message",
    [
        ("alexnet", {"drop_out": 0.1}, "no option 'drop_out'; did you mean dropout.*it has .*stem_stride"),
        ("resnet18", {"aux_heads": True}, "resnet18 has no option 'aux_heads'"),
        ("alexnet", {"num_classes": -1}, "num_classes is -1; expected a positive number, or 0"),
        ("alexnet", {"width": 0}, "width is 0; expected a number above 0"),
        ("alexnet", {"width": -0.5}, "width is -0.5"),
        ("alexnet", {"input_size": 38}, "input_size is 38; alexnet needs at least 39 pixels"),
        (
            "resnet18",
            {"depths": (2, 2)},
            r"depths is \(2, 2\); resnet18 has 4 stages, of \(2, 2, 2, 2\) blocks",
        ),
        ("resnet18", {"input_size": 0}, "input_size is 0; resnet18 needs at least 1 pixels"),
    ],
)
def test_wrong_arguments_are_refused_with_what_is_valid(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        ce.create_model(name, **arguments)


@pytest.mark.parametrize("name", [name for name, spec in MODELS.items() if spec.small_below])
def test_images_too_small_for_the_published_network_enter_at_half_the_stride(name):
    def runs(model, size):
        try:
            jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, size, size, 3)))
        except ValueError:
            return False
        return True

    spec, published = ce.model_info(name), ce.create_model(name)
    assert runs(published, spec.small_below) and not runs(published, spec.small_below - 1)
    assert ce.create_model(name, input_size=spec.small_below) == published
    assert ce.create_model(name, input_size=spec.small_below - 1).stem_stride * 2 == published.stem_stride


def test_an_explicit_stem_stride_wins():
    assert ce.create_model("alexnet", input_size=48, stem_stride=1).stem_stride == 1


def test_small_images_change_nothing_where_the_stem_has_no_stride():
    assert ce.create_model("vgg16", input_size=32) == ce.create_model("vgg16")


def test_models_are_values():
    assert ce.create_model("resnet50", width=0.5) == ce.create_model("resnet50", width=0.5)
    assert ce.create_model("resnet50") != ce.create_model("resnet50_v1")
    assert hash(ce.create_model("googlenet")) == hash(ce.create_model("googlenet"))


def test_axis_name_reaches_batch_normalisation_and_is_ignored_without():
    assert ce.create_model("resnet50", axis_name="batch").axis_name == "batch"
    assert ce.create_model("alexnet", axis_name="batch") == ce.create_model("alexnet")


def test_features_are_the_named_maps_in_order():
    model = ce.create_model("resnet18", width=0.125, input_size=32, num_classes=10, depths=(1, 1, 1, 1))
    images = jax.random.normal(jax.random.key(0), (1, 32, 32, 3))

    @jax.jit
    def maps(key):
        variables = model.init(key, images)
        found = ce.features(model, variables, images)
        assert list(found) == ["stem", "stage1", "stage2", "stage3", "stage4", "pre_logits"]
        classifier = variables["params"]["fc"]
        return found["pre_logits"] @ classifier["kernel"] + classifier["bias"], model.apply(variables, images)

    assert jnp.allclose(*maps(jax.random.key(1, impl="rbg")), atol=1e-6)


def test_importing_the_package_loads_no_data_set_or_plotting_library():
    code = "import sys, cnn_evolution; print({'grain', 'tensorflow_datasets', 'matplotlib'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
