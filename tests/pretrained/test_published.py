"""The list of published weights, and the words that name some of them."""

import re

import pytest

import cnn_evolution as ce
from cnn_evolution.pretrained import published
from cnn_evolution.pretrained.published import Choice, parse_pretrained

EVERY = ce.pretrained_weights()


@pytest.mark.parametrize("weights", EVERY, ids=lambda weights: f"{weights.model}-{weights.source}-{weights.tag}")
def test_every_line_is_complete(weights):
    assert weights.source in published.SOURCES
    assert weights.url.startswith("https://") and weights.url.endswith((".pth", ".pth.zip"))
    assert re.fullmatch("[0-9a-f]{40}" if weights.hash_kind == "sha1" else "[0-9a-f]{8,64}", weights.hash)
    assert weights.hash[:8] in weights.url  # all three zoos put it into the file's name
    assert weights.crop <= weights.resize and weights.interpolation in ("bilinear", "bicubic")
    assert all(0 < value < 1 for value in (*weights.mean, *weights.std))
    for error in (weights.top1_error, weights.top5_error):
        assert error is None or 0 < error < 50
    if weights.top1_error is not None and weights.top5_error is not None:
        assert weights.top5_error < weights.top1_error
    assert weights.num_classes == {"imagenet2012": 1000, "cifar10": 10}[weights.dataset]


def test_no_two_lines_are_of_the_same_weights():
    assert len({(weights.model, weights.source, weights.tag) for weights in EVERY}) == len(EVERY)
    assert len({weights.url for weights in EVERY}) == len(EVERY)


def test_every_network_is_in_the_catalogue_with_as_many_classes():
    for weights in EVERY:
        assert weights.num_classes == ce.model_info(weights.model).num_classes


def test_known_weights_have_their_published_errors():
    (v1, v2) = ce.pretrained_weights("resnet50")
    assert (v1.tag, v1.hash, v1.top1_error, v1.top5_error) == ("IMAGENET1K_V1", "0676ba61", 23.87, 7.138)
    assert (v2.tag, v2.resize, v2.crop) == ("IMAGENET1K_V2", 232, 224)
    (googlenet,) = ce.pretrained_weights("googlenet_bn", source="torchvision")
    assert googlenet.mean == googlenet.std == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("timm", {"source": "timm"}),
        ("torchvision:IMAGENET1K_V2", {"source": "torchvision", "tag": "IMAGENET1K_V2"}),
        ("torchvision:resnet50.safetensors", {"source": "torchvision", "path": "resnet50.safetensors"}),
        ("timm:a:b/weights.pth.zip", {"source": "timm", "path": "a:b/weights.pth.zip"}),
    ],
)
def test_a_word_names_a_zoo_and_perhaps_a_tag_or_a_file_with_its_names(text, choice):
    parsed = parse_pretrained(text)
    assert {k: str(v) for k, v in parsed._asdict().items() if v is not None} == choice and isinstance(parsed, Choice)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "torchvison",
            r"'torchvison' names no weights; did you mean torchvision\? expected torchvision, timm, pytorchcv",
        ),
        ("timm:", "'timm:' names no weights"),
        ("a/w.npz", "does not say whose names .* expected one of torchvision:a/w.npz, timm:a/w.npz, pytorchcv:a/w.npz"),
        ("other:w.npz", "expected one of torchvision:other:w.npz"),
    ],
)
def test_a_word_that_names_no_weights_is_refused_with_what_would(text, message):
    with pytest.raises(ValueError, match=message):
        parse_pretrained(text)
