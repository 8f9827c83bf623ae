import pytest

import cnn_evolution as ce

# name: groups, and the channels of each in the first stage
PATHS = {
    "resnext50_32x4d": (32, 4),
    "resnext101_32x4d": (32, 4),
    "resnext101_64x4d": (64, 4),
    "resnext101_32x8d": (32, 8),
}


@pytest.mark.parametrize("name", PATHS)
def test_endpoints_have_the_papers_shapes(name, published):
    expected = {"stem": (56, 56, 64), "pre_logits": (2048,)}
    for stage, (side, channels) in enumerate(zip((56, 28, 14, 7), (256, 512, 1024, 2048), strict=True), start=1):
        expected[f"stage{stage}"] = (side, side, channels)
    assert published(name).shapes == expected


@pytest.mark.parametrize("name", PATHS)
def test_the_groups_channels_double_from_stage_to_stage(name, published):
    groups, channels = PATHS[name]
    for stage in (1, 2, 3, 4):
        kernel = published(name).variables["params"][f"stage{stage}_block1"]["conv2"]["kernel"]
        assert kernel.shape == (3, 3, channels, groups * channels)
        channels *= 2


def test_a_narrow_network_keeps_as_many_groups_as_divide_its_channels(trace):
    params = trace(ce.create_model("resnext50_32x4d", width=0.125), 32).variables["params"]
    inputs = [params[f"stage{stage}_block1"]["conv2"]["kernel"].shape[2:] for stage in (1, 2, 3, 4)]
    assert inputs == [(1, 16), (1, 32), (2, 64), (4, 128)]
