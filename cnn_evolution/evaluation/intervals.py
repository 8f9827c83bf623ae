"""What numbers of wrong answers can tell: intervals of errors, and of the difference between two networks."""

import dataclasses
from collections.abc import Mapping

from cnn_evolution.evaluation.predictions import Answer
from cnn_evolution.needed import needed_for

with needed_for("intervals"):
    from scipy import stats

LEVEL = 0.95


def error_interval(error: float, images: int) -> tuple[float, float]:
    """Wilson's interval at `LEVEL` for an error on so many images, all in percent: what other images would give.

    It knows nothing of other seeds, among which errors scatter more.
    """
    interval = stats.binomtest(round(error * images / 100), images).proportion_ci(LEVEL, method="wilson")
    return 100 * interval.low, 100 * interval.high


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two networks on the same images.

    Attributes:
      both_right: Images that both have right.
      only_first: That only the first has right.
      only_second: That only the second has right.
      both_wrong: That none has right.
    """

    both_right: int
    only_first: int
    only_second: int
    both_wrong: int

    @property
    def images(self) -> int:
        return self.both_right + self.only_first + self.only_second + self.both_wrong

    @property
    def difference(self) -> float:
        """The second's error minus the first's, in percent of the images."""
        return 100 * (self.only_first - self.only_second) / self.images

    @property
    def p_value(self) -> float:
        """Of McNemar's exact test (1947): the chance of a difference at least as large between equally good networks.

        Among the images that one of them alone has right, each would be right in half.
        """
        alone = self.only_first + self.only_second
        return float(stats.binomtest(self.only_first, alone).pvalue) if alone else 1.0

    @property
    def interval(self) -> tuple[float, float]:
        """The interval at `LEVEL` of the difference, in percent, that belongs to the test.

        It is Clopper and Pearson's (1934) for the first's share of the images that one alone has right, scaled to all
        images; it holds 0 exactly if the test finds no difference at this level. Where there are no such images, it
        holds the shares of them that would still leave none among so many.
        """
        alone = self.only_first + self.only_second
        if not alone:
            largest = 100 * (1 - ((1 - LEVEL) / 2) ** (1 / self.images))
            return -largest, largest
        share = stats.binomtest(self.only_first, alone).proportion_ci(LEVEL, method="exact")
        scale = 100 * alone / self.images
        return scale * (2 * share.low - 1), scale * (2 * share.high - 1)


def compare(first: Mapping[str, Answer], second: Mapping[str, Answer], k: int) -> Comparison:
    """Counts where the label is among the first `k` answers, over the images that both have."""
    counts = {(a, b): 0 for a in (False, True) for b in (False, True)}
    for image in first.keys() & second.keys():
        counts[first[image].is_wrong(k), second[image].is_wrong(k)] += 1
    return Comparison(counts[False, False], counts[False, True], counts[True, False], counts[True, True])
