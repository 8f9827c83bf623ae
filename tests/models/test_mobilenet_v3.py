import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest

import cnn_evolution as ce
from cnn_evolution.layers.normalisation import BatchNorm
from cnn_evolution.layers.squeeze_excite import SqueezeExcite
from cnn_evolution.models.mobilenet_v2 import InvertedResidual
from tests.models.modules import of_kind

# Tables 1 and 2: filter size, expansion size, channels, squeezed channels (0 for no attention), nonlinearity, stride
ROWS = {
    "mobilenet_v3_large": (
        (3, 16, 16, 0, "RE", 1),
        (3, 64, 24, 0, "RE", 2),
        (3, 72, 24, 0, "RE", 1),
        (5, 72, 40, 24, "RE", 2),
        (5, 120, 40, 32, "RE", 1),
        (5, 120, 40, 32, "RE", 1),
        (3, 240, 80, 0, "HS", 2),
        (3, 200, 80, 0, "HS", 1),
        (3, 184, 80, 0, "HS", 1),
        (3, 184, 80, 0, "HS", 1),
        (3, 480, 112, 120, "HS", 1),
        (3, 672, 112, 168, "HS", 1),
        (5, 672, 160, 168, "HS", 2),
        (5, 960, 160, 240, "HS", 1),
        (5, 960, 160, 240, "HS", 1),
    ),
    "mobilenet_v3_small": (
        (3, 16, 16, 8, "RE", 2),
        (3, 72, 24, 0, "RE", 2),
        (3, 88, 24, 0, "RE", 1),
        (5, 96, 40, 24, "HS", 2),
        (5, 240, 40, 64, "HS", 1),
        (5, 240, 40, 64, "HS", 1),
        (5, 120, 48, 32, "HS", 1),
        (5, 144, 48, 40, "HS", 1),
        (5, 288, 96, 72, "HS", 2),
        (5, 576, 96, 144, "HS", 1),
        (5, 576, 96, 144, "HS", 1),
    ),
}

# name: side and channels of the map that leaves every stage, channels of the last convolution, size of the hidden layer
SHAPES = {
    "mobilenet_v3_large": (((112, 16), (56, 24), (28, 40), (14, 112), (7, 160)), 960, 1280),
    "mobilenet_v3_small": (((56, 16), (28, 24), (14, 48), (7, 96)), 576, 1024),
}


@pytest.mark.parametrize("name", SHAPES)
def test_endpoints_have_the_papers_shapes(name, published):
    stages, last, hidden = SHAPES[name]
    expected = {f"stage{i}": (side, side, channels) for i, (side, channels) in enumerate(stages, start=1)}
    expected |= {"stem": (112, 112, 16), "conv2": (7, 7, last), "pre_logits": (hidden,)}
    assert published(name).shapes == expected


@pytest.mark.parametrize("name", ROWS)
def test_blocks_have_the_tables_filters_widths_and_attention(name, published):
    blocks = [value for key, value in published(name).variables["params"].items() if "_block" in key]
    before = 16
    for block, (size, expanded, features, squeezed, *_) in zip(blocks, ROWS[name], strict=True):
        assert ("expand" in block) == (expanded != before)
        assert block["depthwise"]["kernel"].shape == (size, size, 1, expanded)
        assert block["project"]["kernel"].shape == (1, 1, expanded, features)
        assert ("attention" in block) == (squeezed > 0)
        if squeezed:  # on the expanded channels
            assert block["attention"]["squeeze"]["kernel"].shape == (expanded, squeezed)
            assert block["attention"]["excite"]["kernel"].shape == (squeezed, expanded)
        before = features


@pytest.mark.parametrize("name", ROWS)
def test_blocks_have_the_tables_nonlinearities_and_strides(name, called):
    blocks = of_kind(called(ce.create_model(name), 64), InvertedResidual)
    kinds = {"RE": nn.relu, "HS": nn.hard_swish}
    assert [(block.act, block.stride) for block in blocks] == [(kinds[row[4]], row[5]) for row in ROWS[name]]


@pytest.mark.parametrize("name", ROWS)
def test_attention_gates_by_the_piecewise_linear_sigmoid(name, called):
    gates = of_kind(called(ce.create_model(name), 64), SqueezeExcite)
    assert len(gates) == sum(row[3] > 0 for row in ROWS[name])
    assert {(module.act, module.gate) for module in gates} == {(nn.relu, nn.hard_sigmoid)}


def test_h_swish_and_its_sigmoid_are_the_papers():
    """Section 5.2."""
    x = np.linspace(-5, 5, 41, dtype=np.float32)
    relu6 = np.clip(x + 3, 0, 6)
    assert jnp.allclose(nn.hard_sigmoid(x), relu6 / 6, atol=1e-6)
    assert jnp.allclose(nn.hard_swish(x), x * relu6 / 6, atol=1e-6)


@pytest.mark.parametrize("name", SHAPES)
def test_the_last_layers_come_after_the_pool_and_have_no_normalisation(name, published):
    """Fig. 5."""
    _, last, hidden = SHAPES[name]
    variables = published(name).variables
    assert variables["params"]["fc1"]["kernel"].shape == (last, hidden)
    assert variables["params"]["fc"]["kernel"].shape == (hidden, 1000)
    assert not [key for key in variables["batch_stats"] if key.startswith("fc")]


def test_normalisation_keeps_99_percent_at_every_step(called):
    """Section 6.1.1 with the epsilon of the authors' code."""
    norms = of_kind(called(ce.create_model("mobilenet_v3_small"), 64), BatchNorm)
    assert {(norm.momentum, norm.epsilon) for norm in norms} == {(0.99, 1e-3)}


@pytest.mark.parametrize("train", [True, False])
def test_only_the_classifiers_inputs_are_dropped_and_only_in_training(train, called):
    drops = of_kind(called(ce.create_model("mobilenet_v3_small"), 64, train=train), nn.Dropout)
    dropping = [(drop.name, drop.rate) for drop in drops if not drop.deterministic and drop.rate]
    assert dropping == ([("dropout", 0.2)] if train else [])
