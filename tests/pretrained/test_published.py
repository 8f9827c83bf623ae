"""The list of published weights, and the words that name some of them."""

import re
from collections import Counter

import pytest

import cnn_evolution as ce
from cnn_evolution.files import table_rows
from cnn_evolution.pretrained import published
from cnn_evolution.pretrained.published import Choice, parse_pretrained

EVERY = ce.pretrained_weights()


@pytest.mark.parametrize("weights", EVERY, ids=lambda weights: f"{weights.model}-{weights.source}-{weights.tag}")
def test_every_line_is_complete(weights):
    assert weights.source in published.SOURCES
    if weights.package:
        assert not weights.url and weights.file.startswith(f"{weights.package}/") and weights.file.endswith(".pth")
    else:
        assert weights.url.startswith("https://") and weights.url.endswith((".pth", ".pth.zip")) and not weights.file
    assert re.fullmatch("[0-9a-f]{40}" if weights.hash_kind == "sha1" else "[0-9a-f]{8,64}", weights.hash_digits)
    assert weights.hash_digits[:8] in (weights.url or weights.file)  # all zoos put it into the file's name
    assert weights.crop <= weights.resize and weights.interpolation in ("bilinear", "bicubic")
    assert all(0 < value < 1 for value in (*weights.mean, *weights.std))
    for error in (weights.top1_error, weights.top5_error):
        assert error is None or 0 < error < 50
    if weights.top1_error is not None and weights.top5_error is not None:
        assert weights.top5_error < weights.top1_error
    assert weights.num_classes == {"imagenet2012": 1000, "cifar10": 10}[weights.dataset]


def test_no_two_lines_are_of_the_same_weights():
    assert len({(weights.model, weights.source, weights.tag) for weights in EVERY}) == len(EVERY)
    assert len({weights.url or weights.file for weights in EVERY}) == len(EVERY)


def test_hashes_are_whole_or_prefixes_and_called_what_they_are():
    """A prefix of 8 digits is what most files of torchvision and timm have in their names."""
    lengths = Counter(len(row["hash_digits"]) for row in table_rows("cnn_evolution.pretrained", "published.csv"))
    assert lengths == {8: 72, 9: 1, 10: 4, 40: 23, 64: 3}
    whole = [weights for weights in EVERY if weights.whole_hash]
    assert len(whole) == lengths[40] + lengths[64]
    assert {weights.source for weights in whole} == {"pytorchcv", "efficientnet_lite_pytorch"}
    assert not any(weights.whole_hash for weights in EVERY if weights.source in ("torchvision", "timm"))


def test_what_an_extra_installs_comes_first():
    assert [(weights.source, weights.tag) for weights in ce.pretrained_weights("efficientnet_lite0")] == [
        ("efficientnet_lite_pytorch", "0.1.0"),
        ("timm", "in1k"),
    ]


def test_every_network_is_in_the_catalogue_with_as_many_classes():
    for weights in EVERY:
        assert weights.num_classes == ce.model_info(weights.model).num_classes


def test_known_weights_have_their_published_errors():
    (v1, v2) = ce.pretrained_weights("resnet50")
    assert (v1.tag, v1.hash_digits, v1.top1_error, v1.top5_error) == ("IMAGENET1K_V1", "0676ba61", 23.87, 7.138)
    assert (v2.tag, v2.resize, v2.crop) == ("IMAGENET1K_V2", 232, 224)
    (googlenet,) = ce.pretrained_weights("googlenet_bn", source="torchvision")
    assert googlenet.mean == googlenet.std == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("timm", {"source": "timm"}),
        ("torchvision:IMAGENET1K_V2", {"source": "torchvision", "tag": "IMAGENET1K_V2"}),
        ("torchvision:resnet50.safetensors", {"source": "torchvision", "path": "resnet50.safetensors"}),
        ("efficientnet_lite_pytorch:0.1.0", {"source": "efficientnet_lite_pytorch", "tag": "0.1.0"}),
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
            r"'torchvison' names no weights; did you mean torchvision\? expected torchvision, timm, pytorchcv, eff",
        ),
        ("timm:", "'timm:' names no weights"),
        ("a/w.npz", "does not say whose names .* expected one of torchvision:a/w.npz, timm:a/w.npz, pytorchcv:a/w.npz"),
        ("other:w.npz", "expected one of torchvision:other:w.npz"),
    ],
)
def test_a_word_that_names_no_weights_is_refused_with_what_would(text, message):
    with pytest.raises(ValueError, match=message):
        parse_pretrained(text)
