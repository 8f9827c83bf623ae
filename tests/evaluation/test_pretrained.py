"""Published weights in evaluation: their classes found in a split's."""

import numpy as np
import pytest

import cnn_evolution as ce
from cnn_evolution.data import ArraySource
from cnn_evolution.evaluation.pretrained import labelled_by, pretrained_classifier
from cnn_evolution.pretrained import save_state_dict
from cnn_evolution.pretrained.classes import classes_of
from cnn_evolution.pretrained.conversion import ANY_CLASSES, correspondence

IMAGENET, CIFAR10 = classes_of("imagenet2012"), classes_of("cifar10")


def split(classes, labels=(0, 1)):
    return ArraySource(np.zeros((len(labels), 4, 4, 3), np.uint8), labels, classes, name="photos")


def labels(source):
    return [source.records[index][1] for index in range(len(source))]


@pytest.mark.parametrize(
    ("dataset", "classes"),
    [("imagenet2012", IMAGENET.wnids), ("imagenet2012", IMAGENET.names), ("cifar10", CIFAR10.names)],
)
def test_a_split_with_the_classes_of_the_weights_is_taken_as_it_is_without_a_word(dataset, classes, caplog):
    source = split(classes)
    assert labelled_by(dataset, source) is source and not caplog.text


@pytest.mark.parametrize("of", [IMAGENET.wnids, IMAGENET.names])
def test_some_of_the_classes_in_another_order_are_found_by_name_and_that_is_said(of, caplog):
    source = labelled_by("imagenet2012", split((of[999], of[0], of[517]), labels=(0, 1, 2)))
    assert labels(source) == [999, 0, 517] and source.class_names == of
    assert "the 3 classes of photos are found by name in imagenet2012" in caplog.text


@pytest.mark.parametrize(
    ("dataset", "classes", "message"),
    [
        ("cifar10", ("cat", "dog", "wolf"), r"photos has other classes \(3\) than cifar10 \(10\): label 0 is 'cat' in"),
        ("cifar10", (*CIFAR10.names, "wolf"), "label 10 is 'wolf' in photos and 'nothing' in cifar10"),
        (
            "imagenet2012",
            (*IMAGENET.names[:5], "pike"),
            "label 5 is 'pike' in photos and 'electric ray' in imagenet2012",
        ),
        (
            "imagenet2012",
            ("n01440764", "n00000001"),
            "label 1 is 'n00000001' in photos and 'n01443537' in imagenet2012",
        ),
        ("imagenet2012", tuple(f"n{label:08d}" for label in range(1000)), "label 0 is 'n00000000' in photos"),
    ],
)
def test_other_classes_are_refused_with_the_first_difference(dataset, classes, message):
    with pytest.raises(ValueError, match=message):
        labelled_by(dataset, split(classes))


def test_a_class_that_is_there_twice_is_refused():
    with pytest.raises(ValueError, match="cannot be told apart by their names"):
        labelled_by("cifar10", split(("cat", "cat")))


def test_a_file_of_other_classes_is_not_evaluated(tmp_path):
    leaves = correspondence("se_resnet18", "timm")
    shapes = {leaf.key: leaf.torch_shape for leaf in leaves}
    arrays = {key: np.ones([7 if n == ANY_CLASSES else n for n in shape], np.float32) for key, shape in shapes.items()}
    save_state_dict(tmp_path / "w.npz", arrays)
    with pytest.raises(ValueError, match=r"w\.npz has 7 classes; timm's se_resnet18 has 1000"):
        pretrained_classifier("se_resnet18", source="timm", path=tmp_path / "w.npz")
    assert ce.load("se_resnet18", source="timm", path=tmp_path / "w.npz").classes == tuple("0123456")
