"""The picture of the error-rate curve: published errors by year above, the errors measured here below.

The panels share neither axis nor colours nor kind of mark, because their errors cannot be compared: the published ones
are those of ensembles on ImageNet's test set, the measured ones belong to the data set and protocol that the picture
names.
"""

import dataclasses
import statistics
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch

from cnn_evolution.history import chart_entries, human
from experiments.figures import BLUE, GREEN, GREY, ORANGE, VERMILION, as_csv, save_figure

IMAGENET = ("imagenet", "imagenet2012")  # the names it goes by

SOURCES = (
    "Published errors: the winner of each year among the entries that used the challenge's own data only, and 2014's "
    "runner-up, VGG; the networks are ensembles. Taken from the results pages at image-net.org/challenges/LSVRC; "
    "GoogLeNet and VGG from Szegedy et al. 2015, human from Russakovsky et al. 2015. Every value's source is in {csv}."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeasuredError:
    """The top-5 error of one generation, measured here.

    Attributes:
      label: What the picture calls it, for example `"VGG-11 + BN"`.
      year: Year of the generation.
      model: Name in the catalogue; for an ensemble, its members.
      errors: In percent, one per seed.
      apart: A published form whose batch-normalised form is there too; drawn apart, for it trains slowly or not at all.
      ensemble: Whether several networks answered together.
    """

    label: str
    year: int
    model: str
    errors: tuple[float, ...]
    apart: bool = False
    ensemble: bool = False

    def __post_init__(self) -> None:
        if not self.errors:
            raise ValueError(f"{self.label} has no error; expected one per seed")
        for error in self.errors:
            if not 0 <= error <= 100:
                raise ValueError(f"an error of {self.label} is {error}; expected a percentage from 0 to 100")

    @property
    def mean(self) -> float:
        """Mean over seeds, in percent."""
        return statistics.fmean(self.errors)


def _draw_published(axes: Axes) -> None:
    entries = chart_entries()
    for x, entry in enumerate(entries):
        shallow = entry.kind == "shallow"
        axes.bar(x, entry.top5_test_error, width=0.7, color=ORANGE if shallow else BLUE)
        axes.annotate(
            f"{entry.top5_test_error:.1f}",
            (x, entry.top5_test_error),
            (0, -3),  # inside the bar, away from the human line
            textcoords="offset points",
            ha="center",
            va="top",
            weight="bold",
            color="black" if shallow else "white",
        )
    names = [entry.entry.replace(" ", "\n", 1) for entry in entries]
    axes.set_xticks(range(len(entries)), [f"{name}\n{entry.year}" for name, entry in zip(names, entries, strict=True)])
    axes.axhline(human().top5_test_error, color=VERMILION, linestyle="dashed", linewidth=2, zorder=0)
    axes.annotate(
        f"trained human {human().top5_test_error}",
        (len(entries) - 0.5, human().top5_test_error),
        (0, 4),
        textcoords="offset points",
        ha="right",
        color=VERMILION,
        weight="bold",
    )
    axes.set_xlim(-0.5, len(entries) - 0.5)
    axes.set_ylim(0, 30)
    axes.set_ylabel("top-5 test error (%)")
    axes.legend(
        handles=[Patch(color=ORANGE, label="hand-made features"), Patch(color=BLUE, label="convolutional networks")],
        frameon=False,
        loc="upper right",
    )


def _draw_measured(axes: Axes, measured: Sequence[MeasuredError]) -> None:
    for x, result in enumerate(measured):
        low, high = min(result.errors), max(result.errors)
        axes.vlines(x, 0, result.mean, color=GREEN, linewidth=2, linestyle="dotted" if result.apart else "solid")
        if high > low:
            spread = [[result.mean - low], [high - result.mean]]
            axes.errorbar(x, result.mean, spread, color=GREEN, capsize=8, capthick=2, label="range over seeds")
        kind = "ensemble" if result.ensemble else "network"
        axes.plot(
            x,
            result.mean,
            linestyle="none",
            marker="D" if result.ensemble else "o",
            markersize=9,
            color=GREEN,
            markerfacecolor="white" if result.apart else GREEN,
            markeredgewidth=2,
            label="published form, without batch normalisation" if result.apart else kind,
        )
        _annotate_mean_and_range(axes, x, result)
    names = [result.label.replace(" + ", "\n+ ") for result in measured]
    axes.set_xticks(range(len(measured)), [f"{name}\n({r.year})" for name, r in zip(names, measured, strict=True)])
    for name, result in zip(axes.get_xticklabels(), measured, strict=True):
        name.set_color(_ink(result))
    axes.set_xlim(-0.5, len(measured) - 0.5)
    axes.set_ylim(0, 1.2 * max(1.0, *(max(result.errors) for result in measured)))
    axes.set_ylabel("top-5 error (%)")
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    axes.legend(
        once.values(), once.keys(), ncols=len(once), frameon=False, loc="lower left", bbox_to_anchor=(0, 1), borderpad=0
    )


def _ink(result: MeasuredError) -> str:
    return GREY if result.apart else "black"


def _annotate_mean_and_range(axes: Axes, x: int, result: MeasuredError) -> None:
    low, high = min(result.errors), max(result.errors)
    above: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "color": _ink(result)}
    if high > low:
        axes.annotate(f"{low:.1f} to {high:.1f}", (x, high), (0, 9), fontsize=10, **above)
    axes.annotate(f"{result.mean:.1f}", (x, high), (0, 22 if high > low else 10), weight="bold", **above)


def _head(axes: Axes, title: str, subtitle: str, room: int = 0) -> None:
    """Title and subtitle, `room` points above the axes."""
    axes.set_title(title, loc="left", fontsize=16, weight="bold", pad=room + 12 + 16 * len(subtitle.splitlines()))
    axes.annotate(subtitle, (0, 1), (0, room + 8), xycoords="axes fraction", textcoords="offset points", color=GREY)


def _draw(measured: Sequence[MeasuredError], dataset: str, protocol: str, csv_name: str) -> Figure:
    width = max(12.5, 1.4 * len(measured))  # inches: a name needs 1.4
    characters = int(10 * width)  # that fit on a line
    footer = textwrap.wrap(SOURCES.format(csv=csv_name), int(1.15 * characters))
    foot = 0.02 + 0.02 * len(footer)  # of the height
    layout = ConstrainedLayoutEngine(rect=(0.005, foot, 0.99, 0.99 - foot), hspace=0.06)
    figure = Figure(figsize=(width, 11), layout=layout)
    above, below = figure.subplots(2, 1)
    _draw_published(above)
    _head(above, "Published: ILSVRC, 2010 to 2017", "best entry of each year, and VGG, on ImageNet's test set")
    _draw_measured(below, measured)
    where = f"on ImageNet ({dataset})" if dataset in IMAGENET else f"on {dataset}, which is not ImageNet"
    _head(below, f"Measured here {where}", textwrap.fill(protocol, characters), room=24)
    figure.text(0.01, 0.01, "\n".join(footer), fontsize=11, color=GREY)
    return figure


def _table(measured: Sequence[MeasuredError], dataset: str, protocol: str) -> str:
    """One row per bar or mark; errors in percent."""
    published: list[dict[str, object]] = [
        {
            "panel": "published",
            "year": entry.year,
            "name": entry.entry,
            "model": entry.method,
            "data": "ImageNet",
            "top5_error": entry.top5_test_error,
            "source": entry.source,
        }
        for entry in (*chart_entries(), human())
    ]
    here: list[dict[str, object]] = [
        {
            "panel": "measured",
            "year": result.year,
            "name": result.label,
            "model": result.model,
            "data": dataset,
            "top5_error": round(result.mean, 4),
            "lowest": min(result.errors),
            "highest": max(result.errors),
            "by_seed": " ".join(str(error) for error in result.errors),
            "apart": "yes" if result.apart else "no",
            "source": protocol,
        }
        for result in measured
    ]
    return as_csv([*published, *here], list(here[0]))


def draw_curve(measured: Sequence[MeasuredError], path_stem: Path, *, dataset: str, protocol: str) -> tuple[Path, ...]:
    """Write the picture as `path_stem` + .png and .svg, and its numbers as .csv.

    Args:
      measured: In the order of the picture, from left to right.
      path_stem: For example `runs/curve`; its directory must exist.
      dataset: What the errors were measured on, for example `"mini_ilsvrc"`.
      protocol: How they were measured: the budget, the crop, the split, the number of seeds.

    Returns:
      The three paths: .png, .svg and .csv.

    Raises:
      ValueError: If nothing was measured. Nothing is written then.
    """
    if not measured:
        raise ValueError("there is nothing to draw: expected the error of at least one generation, got none")
    path_stem = Path(path_stem)
    csv_name = f"{path_stem.name}.csv"
    table = _table(measured, dataset, protocol)
    return save_figure(lambda: _draw(measured, dataset, protocol, csv_name), table, path_stem)
