"""Addresses of object storage, and paths."""

from pathlib import Path

import pytest

from cnn_evolution.addresses import address_of, copying, local_path


@pytest.mark.parametrize("text", ["gs://bucket/x", "gs://bucket/x/", "GS://bucket/x", "gs:/bucket/x"])
@pytest.mark.parametrize("kind", [str, Path])
def test_an_address_is_found_as_text_and_as_path(text, kind):
    assert address_of(kind(text)) == "gs://bucket/x"


@pytest.mark.parametrize("text", ["/data", "runs/x", "~/x", ".", "C:/data", "a:b", "runs/gs://x"])
def test_a_path_is_no_address(text):
    assert address_of(text) is None and local_path(text) == Path(text)


def test_where_a_path_is_needed_an_address_is_refused_with_how_to_copy():
    with pytest.raises(ValueError, match=r"run directory s3://b/run is an address.*aws s3 sync DIRECTORY s3://b/run"):
        local_path("s3://b/run", "run directory")
    assert copying("az://b/x", "DIRECTORY") == "rclone copy az://b/x DIRECTORY"
