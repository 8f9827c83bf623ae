"""Published errors of single networks."""

import pytest

from cnn_evolution.history import published_error, published_errors


def test_the_lecture_quotes_torchvisions_errors():
    assert published_error("resnet18").top5_error == 10.922
    assert published_error("resnet34").top5_error == 8.58
    assert published_error("vgg16").top5_error == 9.618


def test_protocols_are_kept_apart():
    assert published_error("alexnet").top5_error == 19.8
    assert published_error("alexnet", "10 crops").top5_error == 18.2
    assert published_error("googlenet").top1_error is None
    assert published_error("zfnet") is None


def test_no_network_has_two_values_of_one_protocol():
    keys = [(row.name, row.protocol) for row in published_errors()]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("row", published_errors(), ids=lambda row: f"{row.name} {row.protocol}")
def test_every_row_is_complete(row):
    errors = [error for error in (row.top1_error, row.top5_error) if error is not None]
    assert errors and all(0 < error < 100 for error in errors)
    assert errors == sorted(errors, reverse=True)
    assert row.source and row.protocol and 32 <= row.input_size <= 600
