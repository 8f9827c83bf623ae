"""The names of classes."""

import pytest

from cnn_evolution.pretrained.classes import Classes, classes_of, in_words


def test_imagenets_thousand_are_told_apart_and_in_the_order_of_their_ids():
    imagenet = classes_of("imagenet2012")
    assert len(set(imagenet.names)) == len(imagenet.names) == len(set(imagenet.wnids)) == 1000
    assert list(imagenet.wnids) == sorted(imagenet.wnids)


def test_classes_that_go_by_wordnet_ids_get_words():
    known = classes_of("imagenet2012")
    some = (3, 999, 0)
    found = in_words([known.wnids[label] for label in some])
    assert found.names == tuple(known.names[label] for label in some)
    assert found.wnids == tuple(known.wnids[label] for label in some)
    assert in_words(known.names) == in_words(known.wnids) == known


def test_classes_that_are_not_imagenets_keep_their_names():
    assert in_words(["cat", "n01440764"]) == Classes(("cat", "n01440764"))


@pytest.mark.parametrize(
    ("label", "wnid", "name"),
    [
        (0, "n01440764", "tench"),
        (134, "n02012849", "crane bird"),
        (281, "n02123045", "tabby"),
        (517, "n03126707", "crane"),
        (638, "n03710637", "maillot"),
        (639, "n03710721", "maillot tank suit"),
        (999, "n15075141", "toilet tissue"),
    ],
)
def test_known_labels_have_their_ids_and_names(label, wnid, name):
    imagenet = classes_of("imagenet2012")
    assert (imagenet.wnids[label], imagenet.names[label]) == (wnid, name)


def test_cifars_ten_have_names_alone():
    assert classes_of("cifar10").names[::9] == ("airplane", "truck") and len(classes_of("cifar10").names) == 10
    assert classes_of("cifar10").wnids == ()


def test_other_data_sets_are_refused():
    with pytest.raises(ValueError, match="the classes of 'cifar100' are not known; expected imagenet2012 or cifar10"):
        classes_of("cifar100")


def test_classes_are_the_same_by_name_or_by_id_in_their_order():
    imagenet = classes_of("imagenet2012")
    assert imagenet.are(imagenet.names) and imagenet.are(list(imagenet.wnids))
    assert not imagenet.are(imagenet.names[::-1]) and not imagenet.are(imagenet.names[:10])
