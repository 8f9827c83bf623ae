"""Results of the ImageNet Large Scale Visual Recognition Challenge, image classification, 2010 to 2017.

The rows are in `ilsvrc.csv`, each with the page or paper that states its value. The results pages of 2010, 2011, 2013
and 2015 to 2017 were read as transcribed in github.com/AI-metrics/AI-metrics (`data/vision.py`). A value that could
not be read in its source is kept only where it explains a contradiction, and is marked as not verified.

Contradictions that charts of these numbers hide:

- 2012 and 2013 have two winning values: with the challenge's own data (16.4 and 11.7, which the usual chart shows) and
  with more of ImageNet (15.3 and 11.2, which papers quote).
- 2013's bar is Clarifai's entry, 11.7. ZFNet's own numbers are 14.8 (the paper) and 13.5 (the entry, not verified).
- 2014: GoogLeNet's paper says 6.67, the ResNet paper says 6.66 of the same entry.
- 2016's winner is an ensemble of many architectures, although charts print a depth of 152 layers for it.
"""

import dataclasses
import functools
from typing import Literal, get_args

from cnn_evolution.files import table_rows

Kind = Literal["shallow", "cnn", "human"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class IlsvrcResult:
    """One published top-5 error on the test set of an ILSVRC.

    Attributes:
      year: Year of the challenge.
      place: Rank in the year's challenge; None outside the challenge, or where the rank is not known.
      team: Name under which the result was entered or published.
      entry: What a chart calls it, for example `"AlexNet"`.
      kind: `"shallow"` (hand-made features), `"cnn"` or `"human"`.
      method: The method in a few words.
      depth: Weight layers of the deepest network; None where there is none or it is not known.
      top5_test_error: In percent, with the digits of the source.
      models: `"ensemble"`, `"single"`, or empty where it is not known.
      external_data: Whether more than the challenge's own training images was used.
      paper: Authors and title of the paper that describes it; empty if there is none.
      venue: Where the paper appeared.
      arxiv: The paper's arXiv number.
      source: Where the value is stated.
      verified: Whether the value was read in its source or a transcription of it.
      note: What one must know to compare it.
    """

    year: int
    place: int | None
    team: str
    entry: str
    kind: Kind
    method: str
    depth: int | None
    top5_test_error: float
    models: str
    external_data: bool
    paper: str
    venue: str
    arxiv: str
    source: str
    verified: bool
    note: str


def _integer(text: str) -> int | None:
    return int(text) if text else None


def _kind(text: str) -> Kind:
    for kind in get_args(Kind):
        if text == kind:
            return kind
    raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}, got {text!r}")


def _result(row: dict[str, str]) -> IlsvrcResult:
    return IlsvrcResult(
        year=int(row["year"]),
        place=_integer(row["place"]),
        team=row["team"],
        entry=row["entry"],
        kind=_kind(row["kind"]),
        method=row["method"],
        depth=_integer(row["depth"]),
        top5_test_error=float(row["top5_test_error"]),
        models=row["models"],
        external_data=row["external_data"] == "yes",
        paper=row["paper"],
        venue=row["venue"],
        arxiv=row["arxiv"],
        source=row["source"],
        verified=row["verified"] == "yes",
        note=row["note"],
    )


@functools.cache
def ilsvrc_results() -> tuple[IlsvrcResult, ...]:
    """All results, in order of year."""
    return tuple(_result(row) for row in table_rows(__package__, "ilsvrc.csv"))


def winners() -> tuple[IlsvrcResult, ...]:
    """Each year's first place among the entries that used only the challenge's own data, 2010 to 2017."""
    return tuple(result for result in ilsvrc_results() if result.place == 1 and not result.external_data)


def chart_entries() -> tuple[IlsvrcResult, ...]:
    """The bars of the usual chart of errors by year: the winners and 2014's runner-up, VGG, in order of year."""
    runner_up = next(result for result in ilsvrc_results() if (result.year, result.place) == (2014, 2))
    return tuple(sorted((*winners(), runner_up), key=lambda result: (result.year, -result.top5_test_error)))


def human() -> IlsvrcResult:
    """The error of a trained person on the same task (Russakovsky et al. 2015)."""
    return next(result for result in ilsvrc_results() if result.kind == "human")
