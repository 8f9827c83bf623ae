"""Finding and arranging the first layer's filters."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnn_evolution as ce
from cnn_evolution.analysis.filters import chosen_maps, first_filters, stretched, tiled


@pytest.mark.parametrize(
    ("name", "path", "shape"),
    [
        ("alexnet", "conv1/kernel", (96, 11, 11, 3)),
        ("zfnet", "conv1/kernel", (96, 7, 7, 3)),
        ("vgg11", "conv1_1/kernel", (64, 3, 3, 3)),
        ("googlenet_bn", "conv1/kernel", (64, 7, 7, 3)),
    ],
)
def test_the_first_convolution_is_found_whatever_it_is_called(name, path, shape):
    model, size = ce.create_model(name), ce.model_info(name).input_size
    kernel = np.arange(np.prod(shape), dtype=np.float32).reshape(*shape[1:], shape[0])
    found, filters = first_filters(model, {"params": {path.split("/")[0]: {"kernel": kernel}}}, size)
    assert (found, filters.shape) == (path, shape)
    assert np.array_equal(filters[5], kernel[..., 5])


def test_the_image_may_be_scaled_before_the_first_convolution():
    class Centred(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.Conv(4, (3, 3), name="look")(jnp.pad(2 * x - 1, ((0, 0), (1, 1), (1, 1), (0, 0))))

    model = Centred()
    variables = model.init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)))
    assert first_filters(model, variables, 8)[0] == "look/kernel"


def test_a_network_without_a_convolution_is_refused():
    with pytest.raises(ValueError, match="Dense has no first convolution with a kernel of its own"):
        first_filters(nn.Dense(4), {}, 8)


def test_weights_without_the_first_convolution_are_refused_with_what_they_hold():
    model = ce.create_model("alexnet")
    with pytest.raises(ValueError, match=r"no filters 'conv1/kernel' in the variables, which hold fc/bias, fc/kernel"):
        first_filters(model, {"params": {"fc": {"bias": np.zeros(3), "kernel": np.zeros((2, 3))}}}, 227)
    with pytest.raises(ValueError, match="which hold no parameters"):
        first_filters(model, {}, 227)


def test_filters_that_do_not_see_three_channels_are_refused():
    with pytest.raises(ValueError, match=r"conv1/kernel has the shape \(3, 3, 4, 8\); expected .* \(h, w, 3, N\)"):
        first_filters(ce.create_model("alexnet"), {"params": {"conv1": {"kernel": np.zeros((3, 3, 4, 8))}}}, 227)


def test_every_picture_is_stretched_by_itself():
    pictures = np.array([[[0, 2], [4, 8]], [[-1, 1], [0, 0]], [[3, 3], [3, 3]]], np.float32)
    assert stretched(pictures).tolist() == [[[0, 0.25], [0.5, 1]], [[0, 1], [0.5, 0.5]], [[0.5, 0.5], [0.5, 0.5]]]


def test_pictures_are_enlarged_without_blur_and_set_side_by_side_on_white():
    pictures = np.array([[[0.1, 0.2]], [[0.3, 0.4]], [[0.5, 0.6]]], np.float32)
    expected = [
        [0.1, 0.1, 0.2, 0.2, 1, 0.3, 0.3, 0.4, 0.4],
        [0.1, 0.1, 0.2, 0.2, 1, 0.3, 0.3, 0.4, 0.4],
        [1] * 9,
        [0.5, 0.5, 0.6, 0.6, 1, 1, 1, 1, 1],
        [0.5, 0.5, 0.6, 0.6, 1, 1, 1, 1, 1],
    ]
    assert np.array_equal(tiled(pictures, 2, enlarge=2), np.array(expected, np.float32))


@pytest.mark.parametrize(("number", "rows", "columns"), [(5, 1, 5), (7, 3, 3), (48, 6, 8), (64, 8, 8), (96, 8, 12)])
def test_sheets_are_as_square_as_full_rows_allow(number, rows, columns):
    assert tiled(np.zeros((number, 3, 2, 3), np.float32), gap=0).shape == (3 * rows, 2 * columns, 3)


FEATURES = {"conv1": np.arange(12.0).reshape(1, 2, 2, 3), "fc6": np.zeros((1, 5)), "conv2": np.zeros((1, 1, 3, 2))}


def test_maps_are_chosen_by_endpoint_and_put_channels_first():
    assert list(chosen_maps(FEATURES)) == ["conv1", "conv2"]
    assert list(chosen_maps({**FEATURES, "pool5": np.zeros((1, 1, 1, 2))})) == ["conv1", "conv2"]
    chosen = chosen_maps(FEATURES, ["conv1"])
    assert list(chosen) == ["conv1"]
    assert chosen["conv1"][1].tolist() == [[1, 4], [7, 10]]


@pytest.mark.parametrize(("endpoint", "what"), [("conv9", "does not exist"), ("fc6", "is no map")])
def test_unknown_endpoints_are_refused_with_what_there_is(endpoint, what):
    with pytest.raises(ValueError, match=f"the endpoint '{endpoint}' {what}; there are conv1, conv2"):
        chosen_maps(FEATURES, [endpoint])
