"""What architectures cost: the lecture's comparisons as tables and figures.

    python -m experiments.cost_table
    python -m experiments.cost_table resnet50 mobilenet_v2
    python -m experiments.cost_table resnet50 --input-size 160 --batch-size 32

Without names: AlexNet against VGG-16 layer by layer, the way from 224 to 28 pixels, the two arguments about
convolutions, all architectures by year, and every number that the lecture prints. With names: these networks layer by
layer and stage by stage. Each table goes to the terminal and into a CSV and a Markdown file, each figure into a PNG and
an SVG file with its numbers beside it. Nothing is run and no weights are made.
"""

import dataclasses
from pathlib import Path

import tyro
from rich.console import Console

from cnn_evolution.analysis import Cost
from cnn_evolution.analysis.formulas import C, H, W, stack
from cnn_evolution.history import published_error, published_errors
from cnn_evolution.history.published_errors import ONE_CROP
from cnn_evolution.models import cost, list_models, model_info, receptive_fields
from experiments import command_line, cost_figures
from experiments.lecture import lecture_numbers
from experiments.tables import Table, print_table, save_table

PAIR = ("alexnet_owt", "vgg16")
LECTURE_SIZE = {"alexnet_owt": 227}  # the lecture gives this network the input of the published one
MEGA, MIB = 1e6, 2**20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """What to count.

    Attributes:
      names: Architectures; none for the lecture's comparisons.
      input_size: Side of the images in pixels; None for the published size. For named architectures only.
      batch_size: Number of images. For named architectures only.
      output_dir: Where tables and figures go.
    """

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    input_size: int | None = None
    batch_size: int = 1
    output_dir: Path = Path("runs/cost_table")


def main() -> None:
    arguments = tyro.cli(
        Arguments, prog="python -m experiments.cost_table", description=command_line.described(__doc__)
    )
    reports = [cost(name, arguments.input_size, batch_size=arguments.batch_size) for name in arguments.names]
    arguments.output_dir.mkdir(parents=True, exist_ok=True)
    if reports:
        tables = [table for report in reports for table in (layer_table(report), stage_table(report))]
        figures: tuple[tuple[Path, ...], ...] = ()
    else:
        pair = [cost(name, LECTURE_SIZE.get(name)) for name in PAIR]
        every = {name: cost(name) for name in list_models()}
        totals, errors = total_table(every), error_table(every)
        tables = [*map(layer_table, pair), stem_table(every), argument_table(), totals, errors, lecture_table()]
        figures = (
            cost_figures.draw_layers(pair, arguments.output_dir / "layers"),
            cost_figures.draw_years(totals, arguments.output_dir / "years"),
            cost_figures.draw_errors(errors, arguments.output_dir / "errors"),
        )
    console = Console()
    for table in tables:
        print_table(console, table)
        save_table(table, arguments.output_dir)
    print(f"{len(tables)} tables (.csv, .md) in {arguments.output_dir}", *(paths[0] for paths in figures), sep="\n")


def layer_table(report: Cost) -> Table:
    """A row per layer, and the whole."""
    rows = [
        {
            "layer": row.name,
            "kind": row.kind,
            "kernel": "x".join(map(str, row.kernel or ())),
            "stride": "x".join(map(str, row.stride or ())),
            "output": "x".join(map(str, row.output[1:])),
            "parameters": row.parameters,
            "MACs (M)": round(row.macs / MEGA, 2),
            "activations (KiB)": round(row.bytes / 1024, 2),
        }
        for row in report.layers
    ]
    whole = {
        "layer": "all",
        "kind": "",
        "kernel": "",
        "stride": "",
        "output": "",
        "parameters": report.params,
        "MACs (M)": round(report.macs / MEGA, 2),
        "activations (KiB)": round(report.all_activation_bytes / 1024, 2),
    }
    unused = f" {sum(report.unused.values()):,} parameters are not needed for the output." if report.unused else ""
    remarks = "".join(f" {remark}." for remark in report.remarks)
    size = "x".join(map(str, report.input_shape))
    return Table(
        f"layers_{report.name}",
        f"{report.name} by layer",
        [*rows, whole],
        f"Images {size}. MACs: multiply-accumulates of convolutions and fully connected layers. Activations: what must "
        f"be stored; 0 where the input is overwritten. Convolutions' outputs alone: "
        f"{report.activation_bytes / MIB:.3f} MiB.{unused}{remarks}",
    )


def stage_table(report: Cost) -> Table:
    """A row per endpoint: the cost since the last one, and what the endpoint sees of the image."""
    fields = receptive_fields(report.name, report.input_shape[1])
    rows = []
    for name, stage in report.stages().items():
        field = fields.get(name)
        whole = field is not None and field.fixed is not None
        rows.append(
            {
                "endpoint": name,
                "parameters": stage.params,
                "MACs (M)": round(stage.macs / MEGA, 2),
                "activations (KiB)": round(stage.all_activation_bytes / 1024, 2),
                "field (px)": field.size[0] if field and field.size[0] else "",
                "stride (px)": field.stride[0] if field and field.size[0] else "",
                "offset (px)": field.offset[0] if field and field.size[0] else "",
                "whole image": "yes" if whole else "",
            }
        )
    return Table(
        f"stages_{report.name}",
        f"{report.name} by endpoint",
        rows,
        "Costs are those since the endpoint before. Field: pixels along a side that a position depends on; offset: "
        "centre of the first position's field; whole image: a global pool or a fully connected layer comes before.",
    )


def stem_table(every: dict[str, Cost]) -> Table:
    """The cost of the way from 224 x 224 pixels to the first map of 28 x 28, against GoogLeNet's."""
    base = every["googlenet"].up_to_map_size(28)

    def memory(report: Cost) -> float:
        return sum(row.bytes for row in report.of_kind("conv", "max pool", "avg pool")) / MIB

    rows = []
    for name, report in every.items():
        if report.input_shape[1] == 224 and (28, 28) in report.maps:
            stem = report.up_to_map_size(28)
            rows.append(
                {
                    "network": name,
                    "convolutions (MiB)": round(stem.activation_bytes / MIB, 2),
                    "with pools (MiB)": round(memory(stem), 2),
                    "memory ratio": f"{memory(stem) / memory(base):.1f}x",
                    "parameters (K)": round(stem.params / 1e3, 1),
                    "parameter ratio": f"{stem.params / base.params:.1f}x",
                    "MACs (M)": round(stem.macs / MEGA, 1),
                    "MAC ratio": f"{stem.macs / base.macs:.1f}x",
                }
            )
    return Table(
        "stems",
        "From 224 x 224 pixels to the first map of 28 x 28",
        rows,
        "Memory: outputs of convolutions, and of convolutions and pools. Ratios: to GoogLeNet. The lecture compares "
        "GoogLeNet with pools and VGG without, on a VGG-16 that lacks a convolution, and prints 418 M for GoogLeNet.",
    )


def argument_table() -> Table:
    """Small kernels against large ones, and the map halved against the channels doubled."""
    cases = {
        "one 5x5": stack(5, 1),
        "two 3x3": stack(3, 2),
        "one 7x7": stack(7, 1),
        "three 3x3": stack(3, 3),
        "3x3, C channels, map 2H x 2W": stack(3, 1, C, 2 * H, 2 * W),
        "3x3, 2C channels, map H x W": stack(3, 1, 2 * C, H, W),
    }
    rows = [
        {
            "convolutions": name,
            "field (px)": formula.field,
            "memory": str(formula.memory),
            "parameters": str(formula.parameters),
            "MACs": str(formula.macs),
        }
        for name, formula in cases.items()
    ]
    note = "From C to C channels on a map of H x W unless stated; memory in numbers; no biases."
    return Table("arguments", "Small kernels, and halved maps", rows, note)


def total_table(every: dict[str, Cost]) -> Table:
    """A row per architecture, in order of history."""
    rows = []
    for name, report in every.items():
        spec, error = model_info(name), published_error(name)
        rows.append(
            {
                "year": spec.year,
                "family": spec.family,
                "network": name,
                "input (px)": spec.input_size,
                "classes": spec.num_classes,
                "parameters (M)": round(report.params / MEGA, 3),
                "MACs (G)": round(report.macs / 1e9, 4),
                "convolutions (MiB)": round(report.activation_bytes / MIB, 2),
                "activations (MiB)": round(report.all_activation_bytes / MIB, 2),
                "weights (MiB)": round(report.weight_bytes / MIB, 1),
                "top-5 error (%)": "" if error is None or error.top5_error is None else error.top5_error,
                "source": "" if error is None or error.top5_error is None else error.source,
            }
        )
    return Table(
        "totals",
        "All architectures",
        rows,
        "One image, float32. Convolutions: the memory of their outputs; activations: of everything that must be "
        "stored. Error: published, one central crop, ImageNet's validation set.",
        ("source",),
    )


def error_table(every: dict[str, Cost]) -> Table:
    """A row per architecture with a published top-5 error, and the cost at the size of image that it belongs to."""
    rows = []
    for name, report in every.items():
        errors = [error for error in published_errors() if error.name == name and error.top5_error is not None]
        if not errors:
            continue
        error = next((error for error in errors if error.protocol == ONE_CROP), errors[0])
        spec = model_info(name)
        if error.input_size != spec.input_size:
            report = cost(name, error.input_size)
        rows.append(
            {
                "year": spec.year,
                "family": spec.family,
                "network": name,
                "input (px)": error.input_size,
                "parameters (M)": round(report.params / MEGA, 3),
                "MACs (G)": round(report.macs / 1e9, 4),
                "top-5 error (%)": error.top5_error,
                "protocol": error.protocol,
                "source": error.source,
            }
        )
    return Table(
        "errors", "Published errors against cost", rows, "ImageNet's validation set, one network.", ("year", "family")
    )


def lecture_table() -> Table:
    """Every number that the lecture prints."""
    rows = [
        {
            "printed": number.printed,
            "what": number.meaning,
            "computed": number.computed,
            "shown": number.shown,
            "unit": number.unit,
            "verdict": number.verdict,
            "network": number.network,
            "convention": number.convention,
            "why": number.why,
        }
        for number in lecture_numbers()
    ]
    verdicts = [row["verdict"] for row in rows]
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts))
    wide = ("computed", "network", "convention")
    return Table("lecture", "The lecture's numbers", rows, f"{len(rows)} numbers: {counts}.", wide)


if __name__ == "__main__":
    command_line.run(main)
