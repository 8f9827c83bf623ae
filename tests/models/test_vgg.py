import jax.numpy as jnp
import pytest

import cnn_evolution as ce

# Table 1's configurations A, B, D and E: convolutions in each stage.
DEPTHS = {"vgg11": (1, 1, 2, 2, 2), "vgg13": (2, 2, 2, 2, 2), "vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}


DRAWN = {"vgg16_lecture": (2, 2, 2, 3, 3), "vgg19_lecture": (2, 2, 2, 4, 4)}


@pytest.mark.parametrize("name", [name + suffix for name in DEPTHS for suffix in ("", "_bn")] + list(DRAWN))
def test_endpoints_have_the_papers_shapes(name, published):
    expected = {}
    stages = zip(
        (DEPTHS | DRAWN)[name.removesuffix("_bn")], (224, 112, 56, 28, 14), (64, 128, 256, 512, 512), strict=True
    )
    for stage, (depth, side, channels) in enumerate(stages, start=1):
        for i in range(1, depth + 1):
            expected[f"conv{stage}_{i}"] = (side, side, channels)
        expected[f"pool{stage}"] = (side // 2, side // 2, channels)
    assert published(name).shapes == expected | {"fc6": (4096,), "fc7": (4096,), "pre_logits": (4096,)}


@pytest.mark.parametrize("name", ["vgg11", "vgg11_bn"])
def test_published_initialisation_is_glorots(name, initialise):
    model = ce.create_model(name, num_classes=10, width=0.25, input_size=32)
    params = initialise(model, 32)
    for layer in (value for key, value in params.items() if not key.startswith("bn")):
        *window, fan_in, fan_out = layer["kernel"].shape
        bound = (6 / ((fan_in + fan_out) * (window[0] * window[1] if window else 1))) ** 0.5
        assert jnp.abs(layer["kernel"]).max() <= bound
        assert layer["kernel"].std() == pytest.approx(bound / 3**0.5, rel=0.1)
        assert not layer["bias"].any()
