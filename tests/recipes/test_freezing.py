"""What a recipe freezes, by endpoints and by patterns."""

import jax
import pytest
from flax import traverse_util

import cnn_evolution as ce
from cnn_evolution.recipes.freezing import fixed_statistics, frozen_params

MODEL = ce.create_model("resnet18", width=0.125, num_classes=5, input_size=48)
SHAPES = jax.eval_shape(MODEL.init, jax.random.key(0), jax.ShapeDtypeStruct((1, 48, 48, 3), "float32"))
PARAMS = list(traverse_util.flatten_dict(SHAPES["params"], sep="/"))


def starting(*starts):
    return {path for path in PARAMS if path.startswith(starts)}


@pytest.mark.parametrize(
    ("freeze", "starts"),
    [
        ("stem", ("conv1/", "bn1/")),
        ("stem, stage1", ("conv1/", "bn1/", "stage1_")),
        ("stage[12]", ("stage1_", "stage2_")),
        ("*", ("conv1/", "bn1/", "stage")),
        ("stage1_block1", ("stage1_block1/",)),
        ("stage?_block1/conv1", tuple(f"stage{n}_block1/conv1/" for n in range(1, 5))),
        ("fc", ("fc/",)),
        ("fc/bias,", ("fc/bias",)),
        ("", ("none",)),
    ],
)
def test_words_are_endpoints_or_patterns_of_paths(freeze, starts):
    assert frozen_params(MODEL, 48, freeze) == starting(*starts)


def test_a_pattern_may_go_through_all_stages():
    assert frozen_params(MODEL, 48, "*/bias") == {path for path in PARAMS if path.endswith("/bias")}


@pytest.mark.parametrize(
    ("freeze", "message"),
    [
        ("stagee1", r"'stagee1', which freezes nothing: no .* has that name; did you mean stage1"),
        ("stem,pre_logits", "'pre_logits', which freezes nothing: pre_logits has no parameters"),
        ("zzzz", "endpoints are stem, stage1, stage2, stage3, stage4, pre_logits"),
        ("*,fc", r"freezes everything, .* some of the endpoints stem, stage1, stage2, stage3, stage4, or \* for all"),
    ],
)
def test_what_freezes_nothing_or_everything_is_named_with_the_nearest(freeze, message):
    with pytest.raises(ValueError, match=message):
        frozen_params(MODEL, 48, freeze)


def test_statistics_are_fixed_where_scale_and_bias_are_frozen():
    frozen = frozen_params(MODEL, 48, "stem,stage1_block1/*/scale,stage1_block1/bn2")
    assert fixed_statistics(MODEL, 48, frozen).keywords["fixed_at"] == {"bn1", "stage1_block1/bn2"}
    layers = {path.rpartition("/")[0] for path in traverse_util.flatten_dict(SHAPES["batch_stats"], sep="/")}
    assert fixed_statistics(MODEL, 48, None).keywords["fixed_at"] == layers
    assert fixed_statistics(MODEL, 48, frozenset({"fc/bias"})) is None
