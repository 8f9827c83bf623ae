"""Pictures of what architectures cost: by layer, by year, and against their errors."""

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Annotation
from matplotlib.ticker import FuncFormatter
from matplotlib.transforms import Bbox

from cnn_evolution.analysis import Cost, Layer
from experiments.figures import BLUE, GREY, ORANGE, SKY, as_csv, save_figure
from experiments.tables import Table

Rows = Sequence[Mapping[str, Any]]

KINDS = {"conv": BLUE, "fc": ORANGE, "max pool": SKY}
QUANTITIES = (
    ("parameters", "parameters (M)", lambda layer: layer.parameters / 1e6),
    ("macs", "MACs (M)", lambda layer: layer.macs / 1e6),
    ("activations", "activations (MiB)", lambda layer: layer.bytes / 2**20),
)

PLAIN = FuncFormatter(lambda value, _: f"{value:g}")  # 0.1 instead of a power


def draw_layers(reports: Sequence[Cost], path_stem: Path) -> tuple[Path, ...]:
    """Parameters, multiply-accumulates and activation memory of every layer, networks side by side."""
    rows = [
        {
            "network": report.name,
            "layer": layer.name,
            "kind": layer.kind,
            **{name: quantity(layer) for name, _, quantity in QUANTITIES},
        }
        for report in reports
        for layer in report.layers
    ]
    return save_figure(lambda: _layers(reports), as_csv(rows), path_stem)


def _layers(reports: Sequence[Cost]) -> Figure:
    shown = [[layer for layer in report.layers if layer.kind in KINDS] for report in reports]
    figure = Figure(figsize=(15, 10), layout="constrained")
    widths = [len(layers) + 2 for layers in shown]
    panels = figure.subplots(len(QUANTITIES), len(reports), sharey="row", width_ratios=widths, squeeze=False)
    for column, (report, layers) in enumerate(zip(reports, shown, strict=True)):
        for row, (_, label, quantity) in enumerate(QUANTITIES):
            axes = panels[row, column]
            _bars(axes, layers, [quantity(layer) for layer in layers])
            total = sum(quantity(layer) for layer in layers)
            axes.set_title(f"sum {total:,.{0 if total >= 100 else 2}f}", loc="right", fontsize=12, color=GREY)
            if column == 0:
                axes.set_ylabel(label)
            if row:
                continue
            side = report.input_shape[1]
            axes.annotate(
                f"{report.name}, {side} x {side} pixels",
                (0, 1),
                (0, 26),
                xycoords="axes fraction",
                textcoords="offset points",
                fontsize=16,
                weight="bold",
            )
    names = {"conv": "convolution", "fc": "fully connected", "max pool": "max pool (memory only)"}
    handles = [Patch(color=color, label=names[kind]) for kind, color in KINDS.items()]
    panels[0, 0].legend(handles=handles, frameon=False, loc="upper left")
    return figure


def _bars(axes: Axes, layers: Sequence[Layer], values: Sequence[float]) -> None:
    axes.bar(range(len(layers)), values, color=[KINDS[layer.kind] for layer in layers], width=0.8)
    axes.set_xticks(range(len(layers)), [layer.name for layer in layers], rotation=90, fontsize=11)
    axes.set_xlim(-0.6, len(layers) - 0.4)


def draw_years(totals: Table, path_stem: Path) -> tuple[Path, ...]:
    """Multiply-accumulates and parameters of every architecture for ImageNet by year, families apart."""
    rows = [row for row in totals.rows if row["classes"] == 1000]
    return save_figure(lambda: _years(rows), as_csv(rows), path_stem)


def _years(rows: Rows) -> Figure:
    figure = Figure(figsize=(15, 12), layout="constrained")
    panels = figure.subplots(2, 1, sharex=True)
    years = sorted({row["year"] for row in rows})
    families: dict[int, dict[str, None]] = {year: {} for year in years}
    for row in rows:
        families[row["year"]][row["family"]] = None
    # Every family of a year gets a column, so that no name hides another.
    columns = {pair: i for i, pair in enumerate((year, family) for year in years for family in families[year])}
    for axes, (column, label) in zip(
        panels, (("MACs (G)", "multiply-accumulates (G)"), ("parameters (M)", "parameters (M)")), strict=True
    ):
        for year, family in columns:
            members = [row for row in rows if (row["year"], row["family"]) == (year, family)]
            values = [row[column] for row in members]
            color = BLUE if years.index(year) % 2 else ORANGE
            axes.vlines(columns[year, family], min(values), max(values), color=color, linewidth=2, alpha=0.5)
            axes.plot([columns[year, family]] * len(values), values, "o", color=color, markersize=9, alpha=0.8)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(PLAIN)
        axes.set_ylabel(label)
        axes.grid(axis="y", color="#DDDDDD")
        axes.set_axisbelow(True)
    axes = panels[1]
    axes.set_xticks(list(columns.values()), [family for _, family in columns], rotation=90)
    axes.set_xlim(-0.7, len(columns) - 0.3)
    for year in years:
        places = [place for (other, _), place in columns.items() if other == year]
        color = BLUE if years.index(year) % 2 else ORANGE
        panels[0].annotate(
            str(year),
            (sum(places) / len(places), 1),
            (0, 8),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="center",
            weight="bold",
            color=color,
        )
        for panel in panels:
            panel.axvline(max(places) + 0.5, color="#DDDDDD", linewidth=1, zorder=0)
    figure.suptitle(
        "What an image costs, by year and family: one point per architecture for ImageNet",
        x=0.01,
        ha="left",
        fontsize=16,
        weight="bold",
    )
    return figure


def draw_errors(errors: Table, path_stem: Path) -> tuple[Path, ...]:
    """Published top-5 errors against multiply-accumulates; areas are parameters, colours years, lines families."""
    return save_figure(lambda: _errors(errors.rows, f"{path_stem.name}.csv"), as_csv(errors.rows), path_stem)


def _errors(rows: Rows, csv_name: str) -> Figure:
    figure = Figure(figsize=(15, 11.5))
    axes = figure.add_axes((0.06, 0.13, 0.92, 0.79))
    years = sorted({row["year"] for row in rows})
    colors = dict(zip(years, colormaps["viridis_r"](np.linspace(0, 1, len(years))), strict=True))
    for _, family in itertools.groupby(sorted(rows, key=_line), _line):
        members = sorted(family, key=lambda row: row["MACs (G)"])
        axes.plot(
            [row["MACs (G)"] for row in members], [row["top-5 error (%)"] for row in members], color="#BBBBBB", zorder=1
        )
    for row in sorted(rows, key=lambda row: -row["parameters (M)"]):  # small ones on top
        color = colors[row["year"]]
        one_crop = row["protocol"] == "1 crop"
        axes.scatter(
            row["MACs (G)"],
            row["top-5 error (%)"],
            s=_area(row["parameters (M)"]),
            facecolor=(*color[:3], 0.75) if one_crop else "white",
            edgecolor="black" if one_crop else color,
            linewidth=0.6 if one_crop else 2.5,
            zorder=2,
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(PLAIN)
    axes.set_xlabel("multiply-accumulates for one image (G)")
    axes.set_ylabel("top-5 error (%)")
    axes.set_ylim(0, None)
    axes.margins(x=0.06)
    axes.grid(color="#EEEEEE")
    axes.set_axisbelow(True)
    by_year = [
        Line2D([], [], linestyle="none", marker="o", markersize=10, color=colors[year], label=str(year))
        for year in years
    ]
    hollow = Line2D([], [], linestyle="none", marker="o", markersize=10, color=GREY, fillstyle="none", label="10 crops")
    first = axes.legend(handles=[*by_year, hollow], title="year", frameon=False, loc="upper right")
    axes.add_artist(first)
    sizes = [
        Line2D(
            [], [], linestyle="none", marker="o", color=GREY, markersize=_area(millions) ** 0.5, label=f"{millions} M"
        )
        for millions in (5, 25, 140)
    ]
    axes.legend(
        handles=sizes,
        title="parameters",
        frameon=False,
        loc="upper right",
        bbox_to_anchor=(0.9, 1),
        labelspacing=1.4,
        handletextpad=1.4,
    )
    axes.set_title("Published errors on ImageNet against cost", loc="left", fontsize=16, weight="bold", pad=30)
    axes.annotate(
        "one network, ImageNet's validation set; grey lines join a family's networks that were published together; "
        "names where there is room",
        (0, 1),
        (0, 10),
        xycoords="axes fraction",
        textcoords="offset points",
        color=GREY,
    )
    sources = dict.fromkeys(_source(row["source"]) for row in rows)
    footer = f"Sources: {'; '.join(sources)}. Every value's own is in {csv_name}."
    figure.text(0.01, 0.01, textwrap.fill(footer, 185), fontsize=10, color=GREY)
    _place_names(axes, rows)
    return figure


def _line(row: Mapping[str, Any]) -> tuple[str, int, str]:
    """What the networks on one line have in common: whoever published their errors trained them alike."""
    return row["family"], row["year"], _source(row["source"])


def _area(millions: float) -> float:
    """Area of a mark in points squared."""
    return 40 + 12 * millions


def _source(text: str) -> str:
    """A paper or collection without the place in it."""
    return text.rpartition(", ")[0] or text


def _place_names(axes: Axes, rows: Rows) -> None:
    """Names beside the marks where there is room; the networks with the lowest error of their cost go first."""
    canvas = FigureCanvasAgg(axes.get_figure(root=True))
    canvas.draw()
    renderer = canvas.get_renderer()
    taken = [legend.get_window_extent(renderer) for legend in axes.findobj(Legend)]
    dots_per_point = canvas.figure.dpi / 72
    marks = []
    for row in rows:
        x, y = axes.transData.transform((row["MACs (G)"], row["top-5 error (%)"]))
        half = 0.8 * dots_per_point * _area(row["parameters (M)"]) ** 0.5 / 2
        marks.append(Bbox.from_extents(x - half, y - half, x + half, y + half))
    order = sorted(range(len(rows)), key=lambda i: rows[i]["top-5 error (%)"] * rows[i]["MACs (G)"] ** 0.2)
    for i in order:
        row = rows[i]
        name = axes.annotate(
            row["network"],
            (row["MACs (G)"], row["top-5 error (%)"]),
            (0, 0),
            textcoords="offset points",
            fontsize=10,
            zorder=3,
        )
        others = [mark for j, mark in enumerate(marks) if j != i]
        if not _settle(name, _area(row["parameters (M)"]) ** 0.5 / 2, [*taken, *others], renderer, axes):
            name.remove()
        else:
            taken.append(name.get_window_extent(renderer))


def _settle(name: Annotation, radius: float, taken: Sequence[Bbox], renderer: Any, axes: Axes) -> bool:
    """Moves a name to the first place around its mark where it covers nothing else; whether there is one."""
    away = radius + 3
    for dx, dy, ha, va in (
        (away, 0, "left", "center"),
        (-away, 0, "right", "center"),
        (0, away, "center", "bottom"),
        (0, -away, "center", "top"),
        (away * 0.7, away * 0.7, "left", "bottom"),
        (away * 0.7, -away * 0.7, "left", "top"),
        (-away * 0.7, away * 0.7, "right", "bottom"),
        (-away * 0.7, -away * 0.7, "right", "top"),
    ):
        name.set_position((dx, dy))
        name.set(ha=ha, va=va)
        box = name.get_window_extent(renderer)
        inside = axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1 and axes.bbox.y0 <= box.y0
        if inside and not any(box.overlaps(other) for other in taken):
            return True
    return False
