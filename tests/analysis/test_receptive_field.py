"""Receptive fields against the gradient of one output, and against published values."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import cnn_evolution as ce
from cnn_evolution import layers
from cnn_evolution.analysis import ReceptiveField, receptive_fields
from tests.networks import network
from tests.tiers import exhaustive


def averaging(path, leaf):
    """Positive weights, so that no two ways to a pixel cancel."""
    if path[-1].key == "kernel":
        return np.full(leaf.shape, 1 / np.prod(leaf.shape[:-1]), np.float32)
    return np.full(leaf.shape, path[-1].key in {"scale", "var"}, np.float32)


def seen_pixels(model, size, endpoints, monkeypatch):
    """For some endpoints: the first and last row and column on which its middle position depends.

    Maxima become means, because the gradient of a maximum shows one pixel of its window only.
    """
    monkeypatch.setattr(layers, "max_pool", layers.avg_pool)
    images = jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32)
    variables = jax.tree_util.tree_map_with_path(averaging, jax.eval_shape(model.init, jax.random.key(0), images))

    # XLA:CPU now and then returns zeros for convolutions with constant kernels, so the weights are an argument.
    @jax.jit
    def gradients(images, variables):
        maps, pull_back = jax.vjp(lambda images: ce.features(model, variables, images), images)
        found = {}
        for name in endpoints:
            x = maps[name]
            one_hot = {other: jnp.zeros_like(y) for other, y in maps.items()}
            middle = tuple(side // 2 for side in x.shape[1:3]) if x.ndim == 4 else ()
            one_hot[name] = one_hot[name].at[(0, *middle)].set(1.0)
            (gradient,) = pull_back(one_hot)
            found[name] = jnp.any(gradient != 0, axis=(0, 3))
        return found, {name: x.shape[1:3] if x.ndim == 4 else () for name, x in maps.items()}

    # Winograd's algorithm leaves rounding, not zeros, at pixels of a tile that an output does not see.
    with layers.plain_convolutions():
        touched, shapes = gradients(jnp.ones(images.shape), variables)
    pixels = {name: tuple(np.flatnonzero(hit.any(1 - side)) for side in range(2)) for name, hit in touched.items()}
    return {name: [(rows[0], rows[-1]) for rows in sides] for name, sides in pixels.items()}, shapes


def predicted_pixels(field, shape, size):
    """The same from a receptive field, within the image."""
    for side in range(2):
        ends = [] if field.fixed is None else [*field.fixed[side]]
        if field.size[side]:
            centre = field.offset[side] + shape[side] // 2 * field.stride[side]
            ends += [centre - (field.size[side] - 1) / 2, centre + (field.size[side] - 1) / 2]
        yield max(0, min(ends)), min(size - 1, max(ends))


@pytest.mark.parametrize(
    ("name", "size", "endpoints"),
    [
        ("alexnet", 259, ("conv1", "norm1", "pool1", "conv2", "pool2", "conv5", "pool5", "fc6")),
        ("zfnet", 224, ("conv1", "pool1", "conv2", "pool2", "conv5", "pool5", "pre_logits")),
        ("vgg11", 224, ("conv1_1", "pool1", "conv3_2", "pool3", "conv5_2", "pool5", "fc7")),
        pytest.param("googlenet", 736, ("pool2", "3a", "4b", "5b"), marks=exhaustive),
        ("resnet18", 480, ("stem", "stage1", "stage2", "stage3", "stage4", "pre_logits")),
        pytest.param("se_resnet18", 480, ("stem", "stage1", "stage4"), marks=exhaustive),
    ],
)
def test_endpoints_see_what_the_gradient_says(name, size, endpoints, monkeypatch):
    model = ce.create_model(name, num_classes=10, width=0.125)
    fields = receptive_fields(model, size)
    seen, shapes = seen_pixels(model, size, endpoints, monkeypatch)
    for endpoint in endpoints:
        assert seen[endpoint] == list(predicted_pixels(fields[endpoint], shapes[endpoint], size)), endpoint


def test_every_endpoint_has_a_receptive_field():
    model = ce.create_model("googlenet")
    assert list(receptive_fields(model, 224)) == list(ce.cost(model, 224).endpoints)


# Araujo, Norris, Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill 2019, Table 1
@pytest.mark.parametrize(
    ("name", "endpoint", "size", "stride"),
    [
        ("alexnet", "pool5", 195, 32),
        ("vgg16", "pool5", 212, 32),
        ("resnet50_v1", "stage4", 483, 32),
        ("resnet101_v1", "stage4", 1027, 32),
        ("resnet152_v1", "stage4", 1507, 32),
    ],
)
def test_published_receptive_fields_are_found(name, endpoint, size, stride):
    field = ce.receptive_fields(name)[endpoint]
    assert (field.size, field.stride, field.fixed) == ((size, size), (stride, stride), None)


@pytest.mark.parametrize(
    ("run", "size", "stride", "offset"),
    [
        (lambda x: layers.conv(2, 3, padding=1)(x), 3, 1, 0.0),
        (lambda x: layers.conv(2, 4, 2)(x), 4, 2, 1.5),
        (lambda x: nn.Conv(2, (3, 3), kernel_dilation=2, padding=0)(x), 5, 1, 2.0),
        (lambda x: layers.max_pool(layers.conv(2, 3, 2)(x), 3, 2), 7, 4, 3.0),
        (lambda x: x + layers.conv(3, 5, padding=2)(x), 5, 1, 0.0),
        (lambda x: jnp.concatenate([x, layers.max_pool(x, 3, 1, padding=1)], axis=-1), 3, 1, 0.0),
        (lambda x: jnp.pad(x[:, ::2, ::2], ((0, 0), (1, 1), (1, 1), (0, 0))), 1, 2, -2.0),
        (lambda x: x.reshape(1, 16, 16, 3, 1).transpose(0, 1, 2, 4, 3).reshape(1, 16, 16, 3), 1, 1, 0.0),
        (lambda x: nn.Dense(4)(x), 1, 1, 0.0),
        (lambda x: layers.local_response_norm(x), 1, 1, 0.0),
        (lambda x: jnp.split(x, 3, axis=-1)[1], 1, 1, 0.0),
    ],
    ids=[
        "conv",
        "even conv",
        "dilated",
        "conv and pool",
        "residual",
        "branches",
        "subsampled and padded",
        "shuffled channels",
        "dense on a map",
        "response normalisation",
        "split channels",
    ],
)
def test_every_kind_of_layer_widens_the_field_as_it_should(run, size, stride, offset):
    expected = ReceptiveField((size, size), (stride, stride), (offset, offset), None)
    assert receptive_fields(network(run), 16) == {"out": expected}


def test_rows_and_columns_are_told_apart():
    field = receptive_fields(network(lambda x: layers.conv(2, (1, 7), (1, 2), (0, 3))(x)), (16, 32))["out"]
    assert field == ReceptiveField((1, 7), (1, 2), (0.0, 0.0), None)


def test_a_gate_from_a_global_pool_makes_every_position_depend_on_the_whole_image():
    def gated(x):
        x = layers.conv(3, 3, padding=1)(x)
        return x * nn.sigmoid(layers.global_avg_pool(x))[:, None, None, :]

    assert receptive_fields(network(gated), 16)["out"] == ReceptiveField((3, 3), (1, 1), (0.0, 0.0), ((-1, 16),) * 2)


def test_after_a_fully_connected_layer_there_are_no_positions():
    field = receptive_fields(network(lambda x: nn.Dense(5)(x.reshape(1, -1))), (8, 16))["out"]
    assert field == ReceptiveField((0, 0), (0, 0), (0.0, 0.0), ((0, 7), (0, 15)))


@pytest.mark.parametrize(
    ("run", "what"),
    [
        (lambda x: x[:, ::-1], "rev in the network moves positions"),
        (lambda x: nn.ConvTranspose(2, (2, 2), (2, 2), name="up")(x), "conv_general_dilated in up has holes"),
        (lambda x: jnp.concatenate([x, x], axis=1), "concatenate in the network joins maps side by side"),
        (lambda x: x[:, :8, :8] + x[:, ::2, ::2], "add in the network joins maps of different strides"),
        (lambda x: lax.cumsum(x, 1), "cumsum in the network is not known"),
    ],
)
def test_what_is_not_known_is_refused_and_not_guessed(run, what):
    with pytest.raises(ValueError, match=f"no receptive field: {what}"):
        receptive_fields(network(run), 16)
