"""The names of the classes that published weights tell apart.

`imagenet_classes.csv` lists ImageNet's thousand in the order of their labels, which is that of their WordNet ids: the
ids are those of TFDS's imagenet2012, the names those of torchvision 0.28.0 (`torchvision/models/_meta.py`), which tell
"crane bird" from "crane" and "maillot tank suit" from "maillot". CIFAR-10's ten are from Krizhevsky 2009, "Learning
Multiple Layers of Features from Tiny Images", section 3.1, in the order of its files.
"""

import dataclasses
import functools
from collections.abc import Sequence

from cnn_evolution.files import table_rows

_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclasses.dataclass(frozen=True)
class Classes:
    """The classes of a data set, by label.

    Attributes:
      names: In English.
      wnids: Their WordNet ids, such as n01440764; none where the data set has none.
    """

    names: tuple[str, ...]
    wnids: tuple[str, ...] = ()

    def are(self, classes: Sequence[str]) -> bool:
        """Whether these are the same classes in the same order, by their names or by their ids."""
        return tuple(classes) in (self.names, self.wnids)


@functools.cache
def classes_of(dataset: str) -> Classes:
    """The classes of a data set that published weights were made for, by TFDS's name of it.

    Raises:
      ValueError: They are not known.
    """
    if dataset == "imagenet2012":
        rows = table_rows(__package__, "imagenet_classes.csv")
        return Classes(tuple(row["name"] for row in rows), tuple(row["wnid"] for row in rows))
    if dataset == "cifar10":
        return Classes(_CIFAR10)
    raise ValueError(f"the classes of {dataset!r} are not known; expected imagenet2012 or cifar10")


def in_words(names: Sequence[str]) -> Classes:
    """The classes of a network by their names, which may be ImageNet's or WordNet ids of some of its classes."""
    imagenet = classes_of("imagenet2012")
    words = dict(zip(imagenet.wnids, imagenet.names, strict=True))
    if words.keys() >= set(names):
        return Classes(tuple(words[name] for name in names), tuple(names))
    return imagenet if tuple(names) == imagenet.names else Classes(tuple(names))
