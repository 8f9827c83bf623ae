"""Published errors of single networks on ImageNet's validation set, each with its protocol and its source.

The rows are in `published_errors.csv`, in order of history. For one central crop the authors' own figure is taken where
they give both errors on all 50,000 images; elsewhere that of the zoo whose weights the catalogue reads. Errors of other
protocols, which are lower, stand in rows of their own.
"""

import dataclasses
import functools

from cnn_evolution.files import table_rows

ONE_CROP = "1 crop"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PublishedError:
    """The errors of one network under one protocol.

    Attributes:
      name: The network's name in the catalogue.
      top1_error: In percent; None where only the other is published.
      top5_error: Likewise.
      protocol: "1 crop" (central), "10 crops", "144 crops", "150 crops", or in words.
      input_size: Side of the crop in pixels, or of the image's short side where it is evaluated whole.
      source: Where the values are stated.
    """

    name: str
    top1_error: float | None
    top5_error: float | None
    protocol: str
    input_size: int
    source: str


def _percent(text: str) -> float | None:
    return float(text) if text else None


@functools.cache
def published_errors() -> tuple[PublishedError, ...]:
    """All rows, in order of history."""
    return tuple(
        PublishedError(
            name=row["name"],
            top1_error=_percent(row["top1_error"]),
            top5_error=_percent(row["top5_error"]),
            protocol=row["protocol"],
            input_size=int(row["input_size"]),
            source=row["source"],
        )
        for row in table_rows(__package__, "published_errors.csv")
    )


def published_error(name: str, protocol: str = ONE_CROP) -> PublishedError | None:
    """The errors of a network under a protocol; None if none are published."""
    found = (row for row in published_errors() if (row.name, row.protocol) == (name, protocol))
    return next(found, None)
