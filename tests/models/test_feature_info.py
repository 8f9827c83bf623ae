"""Stride and channels of every endpoint against the shapes of its maps."""

import flax.linen as nn
import jax.numpy as jnp
import pytest

import cnn_evolution as ce
from tests.networks import network
from tests.tiers import tiered


@pytest.mark.parametrize("name", tiered(ce.list_models()))
def test_maps_of_two_image_sizes_have_these_strides_and_channels(name, trace, published):
    info, seen = ce.feature_info(name), published(name)
    coarsest = max(one.stride for one in info.values() if one.stride)
    larger = trace(seen.model, seen.size + coarsest)  # every map is longer by a whole number of positions
    assert {endpoint: one.channels for endpoint, one in info.items()} == {
        endpoint: shape[-1] for endpoint, shape in seen.shapes.items()
    }
    for endpoint, one in info.items():
        *sides, _ = seen.shapes[endpoint]
        more = [] if one.stride is None else [side + coarsest // one.stride for side in sides]
        assert (bool(sides), list(larger.shapes[endpoint][:-1])) == (one.stride is not None, more), endpoint


def test_endpoints_come_in_the_order_of_their_computation():
    assert list(ce.feature_info("resnet18")) == ["stem", "stage1", "stage2", "stage3", "stage4", "pre_logits"]


def test_the_stride_is_that_of_the_windows_and_not_a_quotient_of_sizes():
    info = ce.feature_info("alexnet")["pool5"]
    assert (info, 227 / 6) == (ce.FeatureInfo(stride=32, channels=256), pytest.approx(37.8, abs=0.1))


def test_vectors_have_no_stride():
    info = ce.feature_info("vgg16")
    assert (info["fc6"], info["pre_logits"]) == (ce.FeatureInfo(None, 4096), ce.FeatureInfo(None, 4096))


def test_options_are_those_of_create_model():
    half = ce.feature_info("alexnet", 48, width=0.5)["pool5"]
    assert half == ce.FeatureInfo(stride=16, channels=128)
    with pytest.raises(ValueError, match="alexnet has no option 'widht'; did you mean width"):
        ce.feature_info("alexnet", widht=0.5)


def test_a_module_states_its_options_itself_and_needs_a_size():
    model = ce.create_model("resnet18", width=0.5)
    assert ce.feature_info(model, 64)["stage4"] == ce.FeatureInfo(32, 256)
    with pytest.raises(ValueError, match="width: a module has its options already"):
        ce.feature_info(model, 64, width=0.5)
    with pytest.raises(ValueError, match="input_size is missing; ResNet is a module"):
        ce.feature_info(model)
    with pytest.raises(TypeError, match="model is of type int; expected a name"):
        ce.feature_info(3)


def test_rows_and_columns_may_have_strides_of_their_own():
    assert ce.feature_info(network(lambda x: nn.Conv(4, (3, 3), (1, 2))(x)), 16) == {"out": ce.FeatureInfo((1, 2), 4)}


def test_what_does_not_depend_on_the_image_has_no_stride():
    assert ce.feature_info(network(lambda x: jnp.ones((1, 4, 4, 2))), 16) == {"out": ce.FeatureInfo(None, 2)}


def test_maps_of_unknown_position_are_refused():
    with pytest.raises(ValueError, match="no receptive field: rev in the network moves positions"):
        ce.feature_info(network(lambda x: x[:, ::-1]), 16)
