import flax.linen as nn
import numpy as np
import pytest

from cnn_evolution.data import ArraySource, CenterCrop
from cnn_evolution.evaluation.classifier import Classifier
from cnn_evolution.evaluation.errors import ErrorCounts
from cnn_evolution.evaluation.results import append_result, make_result, read_results, summary
from cnn_evolution.pixels import Pixels

SOURCE = ArraySource(np.zeros((200, 1, 1, 3), np.uint8), [0] * 200, ("cat", "dog"), name="photos", split="validation")
PIXELS = Pixels((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def member(name, crop):
    return Classifier(name=name, model=nn.Dense(2), pixels=PIXELS, variables={}, crop=crop, config={"step": 3})


def result(*crops):
    members = [member(name, crop) for name, crop in zip("abc", crops, strict=False)]
    return make_result(members, SOURCE, ErrorCounts(200, 50, 3), {"crops": tuple(range(len(crops)))})


def test_a_result_is_read_back_as_it_was_written(tmp_path):
    written = result(CenterCrop(224)), result(CenterCrop(224), CenterCrop(48, 56))
    for one in written:
        append_result(tmp_path, one)
    assert read_results(tmp_path) == list(written)


@pytest.mark.parametrize(
    ("crops", "protocol"),
    [
        ([CenterCrop(224)], "centre crop 224 of short side 256"),
        ([CenterCrop(299, 333, "bicubic")], "centre crop 299 of short side 333, bicubic"),
        ([CenterCrop(224), CenterCrop(224)], "centre crop 224 of short side 256"),
        (
            [CenterCrop(227), CenterCrop(224), CenterCrop(224)],
            "a: centre crop 227 of short side 256; b: centre crop 224 of short side 256; "
            "c: centre crop 224 of short side 256",
        ),
    ],
    ids=["one", "bicubic", "equal", "different"],
)
def test_the_protocol_names_the_crop_of_every_member_where_they_differ(crops, protocol):
    assert result(*crops).protocol == protocol
    assert f"of photos, split validation ({protocol})" in summary(result(*crops))
    assert result(*crops).model == "+".join("abc"[: len(crops)])
