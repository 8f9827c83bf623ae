"""Pictures of trainings, side by side: errors, gradients, and losses at several learning rates."""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnn_evolution.evaluation.intervals import error_interval
from experiments.figures import BLUE, ORANGE, as_csv, save_figure


@dataclasses.dataclass(frozen=True)
class Training:
    """What a run wrote.

    Attributes:
      name: Of the run.
      metrics: Lines of metrics, with the step, the loss and the batch's top-1 error in percent.
      validation_errors: Steps and top-1 errors of the evaluation split in percent.
      classes: Number of classes.
      batch_size: Images in a batch.
      validation_images: Images of the evaluation split.
    """

    name: str
    metrics: tuple[Mapping[str, float], ...]
    validation_errors: tuple[tuple[int, float], ...]
    classes: int
    batch_size: int
    validation_images: int

    @property
    def training_error(self) -> float:
        """Mean top-1 error of the last fifth's batches, in percent, while the weights still moved."""
        return statistics.fmean(line["top1_error"] for line in self._last_fifth())

    @property
    def validation_error(self) -> float:
        """After the last step, in percent."""
        return self.validation_errors[-1][1]

    @property
    def training_interval(self) -> tuple[float, float]:
        """That of `error_interval` for the training error."""
        return error_interval(self.training_error, len(self._last_fifth()) * self.batch_size)

    @property
    def validation_interval(self) -> tuple[float, float]:
        """That of `error_interval` for the validation error."""
        return error_interval(self.validation_error, self.validation_images)

    @property
    def final_loss(self) -> float:
        """Mean loss of the last fifth's batches; not finite if one of them is not."""
        return statistics.fmean(line["loss"] for line in self._last_fifth())

    @property
    def learns(self) -> bool:
        """Whether the loss ends finite and a tenth lower, at least, than that of equal chances for all classes.

        The loss at the start is no measure: one that explodes and comes back to chance has fallen too.
        """
        return math.isfinite(self.final_loss) and self.final_loss < 0.9 * math.log(self.classes)

    def smoothed(self, quantity: str) -> tuple[list[float], list[float]]:
        """Steps, and the mean of a metric over the nearest lines, a tenth of all."""
        half = max(1, len(self.metrics) // 20)
        windows = [self.metrics[max(0, i - half) : i + half + 1] for i in range(len(self.metrics))]
        values = [statistics.fmean(line[quantity] for line in window) for window in windows]
        return [line["step"] for line in self.metrics], values

    def _last_fifth(self) -> tuple[Mapping[str, float], ...]:
        return self.metrics[-max(1, len(self.metrics) // 5) :]


def draw_residual(
    trainings: Sequence[Training], gradients: Mapping[str, Mapping[str, Mapping[str, float]]], path_stem: Path
) -> tuple[Path, ...]:
    """Errors of plain networks left and of residual ones right, as Fig. 6 of He et al.; below, gradients by layer.

    Args:
      trainings: The shallow and the deep plain network, the shallow and the deep residual one.
      gradients: For every network, at "initialisation" and "end", the norm by layer.
      path_stem: Gets .png, .svg and .csv.
    """
    rows: list[dict[str, Any]] = []
    for training in trainings:
        for line in training.metrics:
            rows.append(_row(training.name, "training top-1 error (%)", line["step"], line["top1_error"]))
        for step, error in training.validation_errors:
            rows.append(_row(training.name, "validation top-1 error (%)", step, error))
        for moment, norms in gradients[training.name].items():
            for index, (layer, norm) in enumerate(norms.items(), start=1):
                rows.append(_row(training.name, f"gradient norm of layer, {moment}", index, norm, layer))
    return save_figure(lambda: _residual(trainings, gradients), as_csv(rows), path_stem)


def _row(network: str, quantity: str, x: float, value: float, layer: str = "") -> dict[str, Any]:
    return {"network": network, "quantity": quantity, "step or layer": x, "value": value, "name": layer}


def _residual(trainings: Sequence[Training], gradients: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Figure:
    figure = Figure(figsize=(13, 9), layout="constrained")
    panels = figure.subplots(2, 2, sharey="row")
    for column, (kind, pair) in enumerate((("plain", trainings[:2]), ("residual", trainings[2:]))):
        above, below = panels[0, column], panels[1, column]
        for training, colour in zip(pair, (ORANGE, BLUE), strict=True):
            label = f"{training.name.removeprefix('cifar_')}"
            steps, errors = training.smoothed("top1_error")
            above.plot(steps, errors, color=colour, linestyle="dashed", label=f"{label}, training")
            above.plot(
                *zip(*training.validation_errors, strict=True),
                color=colour,
                linewidth=2.5,
                marker="o",
                label=f"{label}, validation",
            )
            for moment, style in (("initialisation", "dotted"), ("end", "solid")):
                norms = list(gradients[training.name][moment].values())
                places = [100 * i / (len(norms) - 1) for i in range(len(norms))]
                below.plot(places, norms, color=colour, linestyle=style, label=f"{label}, {moment}")
        above.set_title(f"{kind} networks")
        above.set_xlabel("step")
        below.set_xlabel("depth of the layer (% of all layers)")
        below.set_yscale("log")
        for axes in (above, below):
            axes.legend(frameon=False, fontsize=10)
    panels[0, 0].set_ylabel("top-1 error (%)")
    panels[1, 0].set_ylabel("L2 norm of the kernel's gradient")
    return figure


def draw_depth(trainings: Sequence[tuple[int, Training]], path_stem: Path) -> tuple[Path, ...]:
    """Errors after training against depth, of plain and of residual networks."""
    rows = [
        {
            "network": training.name,
            "depth": depth,
            "training top-1 error (%)": training.training_error,
            "validation top-1 error (%)": training.validation_error,
        }
        for depth, training in trainings
    ]
    return save_figure(lambda: _depth(trainings), as_csv(rows), path_stem)


def _depth(trainings: Sequence[tuple[int, Training]]) -> Figure:
    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.subplots()
    for kind, colour in (("plain", ORANGE), ("resnet", BLUE)):
        points = sorted(
            ((depth, training) for depth, training in trainings if kind in training.name), key=lambda point: point[0]
        )
        depths = [depth for depth, _ in points]
        label = "residual" if kind == "resnet" else kind
        axes.plot(
            depths,
            [t.training_error for _, t in points],
            color=colour,
            linestyle="dashed",
            marker="o",
            markerfacecolor="white",
            label=f"{label}, training",
        )
        axes.plot(
            depths,
            [t.validation_error for _, t in points],
            color=colour,
            linewidth=2.5,
            marker="o",
            label=f"{label}, validation",
        )
    axes.set_xlabel("layers with weights")
    axes.set_xticks(sorted({depth for depth, _ in trainings}))
    axes.set_ylabel("top-1 error after training (%)")
    axes.legend(frameon=False)
    return figure


def draw_rates(sweeps: Mapping[str, Sequence[Training]], rates: Sequence[float], path_stem: Path) -> tuple[Path, ...]:
    """Losses at the highest learning rate that each network stands, and final losses at every rate."""
    rows = [
        {"network": label, "learning rate": rate, "trains": training.learns, "step": line["step"], "loss": line["loss"]}
        for label, trainings in sweeps.items()
        for rate, training in zip(rates, trainings, strict=True)
        for line in training.metrics
    ]
    return save_figure(lambda: _rates(sweeps, rates), as_csv(rows), path_stem)


def _rates(sweeps: Mapping[str, Sequence[Training]], rates: Sequence[float]) -> Figure:
    figure = Figure(figsize=(13, 5.5), layout="constrained")
    curves, ends = figure.subplots(1, 2, sharey=True)
    for (label, trainings), colour, height in zip(sweeps.items(), (ORANGE, BLUE), (0.97, 0.92), strict=True):
        stable = [i for i, training in enumerate(trainings) if training.learns]
        if stable:
            steps, losses = trainings[stable[-1]].smoothed("loss")
            curves.plot(
                steps, losses, color=colour, linewidth=2.5, label=f"{label} at {rates[stable[-1]]:g}, its highest"
            )
        ends.plot(
            [rates[i] for i in stable], [trainings[i].final_loss for i in stable], color=colour, marker="o", label=label
        )
        _mark_failures(ends, [rate for i, rate in enumerate(rates) if i not in stable], height, colour)
    curves.set_xlabel("step")
    curves.set_ylabel("training loss (nats)")
    ends.set_xscale("log")
    ends.set_xlabel("learning rate (crosses: does not train)")
    for axes in (curves, ends):
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False)
    return figure


def _mark_failures(axes: Axes, rates: Sequence[float], height: float, colour: str) -> None:
    """Crosses at a height from 0 to 1, for losses that are not finite or no better than chance."""
    axes.plot(
        rates,
        [height] * len(rates),
        transform=axes.get_xaxis_transform(),
        linestyle="none",
        marker="x",
        markersize=10,
        markeredgewidth=2.5,
        color=colour,
    )
