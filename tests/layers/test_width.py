import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_evolution import layers


@given(channels=st.integers(1, 4096))
@settings(deadline=None, derandomize=True, max_examples=50)
def test_full_width_changes_nothing(channels):
    assert layers.scaled(1.0)(channels) == channels


@given(channels=st.integers(1, 4096), width=st.floats(0.01, 4), multiple=st.sampled_from([3, 8, 12]))
@settings(deadline=None, derandomize=True, max_examples=50)
def test_scaled_channels_are_multiples_and_near(channels, width, multiple):
    if width != 1:
        scaled = layers.scaled(width, multiple)(channels)
        assert scaled % multiple == 0 and scaled >= multiple
        assert scaled == multiple or abs(scaled - channels * width) <= multiple / 2


def test_scaled_channels_are_multiples_of_eight_unless_told():
    assert layers.scaled(0.3)(100) == 32


@pytest.mark.parametrize("width", [0, -1.0])
def test_width_must_be_positive(width):
    with pytest.raises(ValueError, match=f"width is {width}; expected a number above 0"):
        layers.scaled(width)
