import pytest


@pytest.mark.parametrize("depth", [50, 101])
def test_only_the_inner_channels_are_twice_those_of_the_resnet(depth, published):
    wide, narrow = published(f"wide_resnet{depth}_2"), published(f"resnet{depth}")
    assert wide.shapes == narrow.shapes
    for stage in (1, 2, 3, 4):
        ours, theirs = (x.variables["params"][f"stage{stage}_block1"] for x in (wide, narrow))
        inner, outer = theirs["conv3"]["kernel"].shape[2:]
        assert ours["conv2"]["kernel"].shape == (3, 3, 2 * inner, 2 * inner)
        assert ours["conv3"]["kernel"].shape == (1, 1, 2 * inner, outer)
