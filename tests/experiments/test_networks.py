"""Networks as command lines name them."""

import re

import pytest

import cnn_evolution as ce
from experiments.networks import load_network


@pytest.fixture
def loaded(monkeypatch):
    """The arguments that `load` got."""
    calls = []
    monkeypatch.setattr(ce, "load", lambda *arguments, **options: calls.append((arguments, options)))
    return calls


@pytest.mark.parametrize(
    ("text", "source", "tag", "file"),
    [
        ("resnet50", None, None, None),
        ("resnet50:timm", "timm", None, None),
        ("resnet50:torchvision:IMAGENET1K_V2", "torchvision", "IMAGENET1K_V2", None),
        ("resnet50:torchvision:a:b/w.safetensors", "torchvision", None, "a:b/w.safetensors"),
    ],
)
def test_published_weights_are_named_by_network_zoo_and_tag_or_file(loaded, text, source, tag, file):
    load_network(text, input_size=96)
    (((name,), options),) = loaded
    path = options.pop("path")
    assert (name, None if path is None else str(path)) == ("resnet50", file)
    assert options == {"source": source, "tag": tag, "input_size": 96}


def test_a_directory_is_a_run_unless_it_is_called_as_a_network(loaded, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mini", "resnet18"):
        (tmp_path / name).mkdir()
    for text in ("mini", str(tmp_path / "mini"), "./resnet18", "resnet18"):
        load_network(text)
    assert [bool(arguments) for arguments, _ in loaded] == [False, False, False, True]
    assert [str(options["path"]) for _, options in loaded[:3]] == ["mini", str(tmp_path / "mini"), "resnet18"]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("resnet-50", ValueError, "no model 'resnet-50'; did you mean resnet50"),
        ("photo.jpg", ValueError, "no model 'photo.jpg'"),
        ("resnt50:timm", ValueError, "no model 'resnt50'; did you mean resnet50"),
        ("runs/mini", FileNotFoundError, "there is no directory of a run runs/mini"),
        ("resnet50:torchvison", ValueError, "'torchvison' names no weights; did you mean torchvision?"),
        ("resnet50:", ValueError, "'' names no weights"),
        (
            "resnet50:torchvision:V9",
            ValueError,
            "no weights torchvision:V9 of resnet50; there are ",
        ),
        ("resnet50:torchvision:none.npz", FileNotFoundError, "there is no weights file none.npz"),
    ],
)
def test_what_is_no_network_is_answered_with_the_nearest(text, error, message):
    with pytest.raises(error, match=re.escape(message)):
        load_network(text)
