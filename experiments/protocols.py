"""How the papers test their networks: the views of an image, what they cost, what they gained, and how they look.

    python -m experiments.protocols
    python -m experiments.protocols --network resnet50
    python -m experiments.protocols --plot protocols.png
    python -m experiments.protocols photo.jpg --plot protocols.png

The table has every protocol with a network that was published with it; with --network, all protocols with this one.
Nothing is run and no weights are made. The picture shows the photograph at every scale of every protocol, with the
views that are cut from it; without a photograph, a cat that comes with scikit-image. As .svg, and with the views in
pixels as .csv, it lies beside the .png.
"""

import dataclasses
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import tyro
from rich.console import Console

from cnn_evolution.evaluation.protocols import CropProtocol, googlenet_144, single_crop, ten_crop, vgg_multi_crop
from cnn_evolution.history import published_error
from cnn_evolution.history.published_errors import ONE_CROP
from cnn_evolution.models import cost, model_info
from experiments import command_line
from experiments.classify import check, examples, whole
from experiments.tables import Table, print_table

PROTOCOLS: dict[str, Callable[..., CropProtocol]] = {
    ONE_CROP: single_crop,
    "10 crops": ten_crop,
    "144 crops": googlenet_144,
    "150 crops": vgg_multi_crop,
}
"""By the names that `published_errors` has for them."""

DENSE = "dense, one scale, jittered"


class Tested(NamedTuple):
    """A network under a protocol.

    Attributes:
      network: A name in the catalogue.
      protocol: A name in `PROTOCOLS`.
      over: The protocol, in `published_errors`, over which a gain with the same weights is published; None for none.
    """

    network: str
    protocol: str
    over: str | None = None


PUBLISHED = (
    Tested("alexnet", "10 crops"),
    Tested("vgg16", "150 crops", DENSE),
    Tested("vgg19", "150 crops", DENSE),
    Tested("googlenet", ONE_CROP),
    Tested("googlenet", "10 crops", ONE_CROP),
    Tested("googlenet", "144 crops", ONE_CROP),
    Tested("resnet50_v1", ONE_CROP),
    Tested("resnet50_v1", "10 crops", ONE_CROP),
    Tested("resnet152_v1", ONE_CROP),
    Tested("resnet152_v1", "10 crops", ONE_CROP),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arguments:
    """What is counted and drawn.

    Attributes:
      photo: The photograph to draw; None for a cat.
      network: A name in the catalogue, which is counted under all protocols; None for published tests.
      plot: A .png that gets the picture.
    """

    photo: tyro.conf.Positional[Path | None] = None
    network: str | None = None
    plot: Path | None = None


def main() -> None:
    arguments = tyro.cli(Arguments, prog="python -m experiments.protocols", description=command_line.described(__doc__))
    if arguments.plot is None and arguments.photo is not None:
        raise ValueError(f"a photograph is named, {arguments.photo}, and no picture; expected --plot PICTURE.png too")
    chosen = PUBLISHED if arguments.network is None else under_all(arguments.network)
    table = protocol_table(chosen)
    if arguments.plot is not None:
        from experiments.classify_figure import check_plot  # which imports matplotlib
        from experiments.protocols_figure import save_views

        photo = arguments.photo or examples()[0]
        check_plot(arguments.plot, 1)
        check([photo], whole)
        save_views(whole(photo), photo.name, [make() for make in PROTOCOLS.values()], arguments.plot)
    print(*dict.fromkeys(map(str, map(protocol_of, chosen))), sep="\n", end="\n\n")
    print_table(Console(), table)
    if arguments.plot is not None:
        print(arguments.plot)


def under_all(network: str) -> tuple[Tested, ...]:
    """A network under every protocol, with the gains that are published."""
    published = {(test.network, test.protocol): test for test in PUBLISHED}
    return tuple(published.get((network, protocol), Tested(network, protocol)) for protocol in PROTOCOLS)


def protocol_of(test: Tested) -> CropProtocol:
    """The protocol with views of the network's input size.

    Raises:
      ValueError: There is no such network, or its input is larger than the protocol's smallest scale.
    """
    size = model_info(test.network).input_size
    try:
        return PROTOCOLS[test.protocol](size=size)
    except ValueError as error:
        raise ValueError(f"{test.network} under {test.protocol}: {error}") from error


def protocol_table(tests: Iterable[Tested]) -> Table:
    """A row per network and protocol.

    Raises:
      ValueError: As `protocol_of`.
    """
    rows = []
    for test in tests:
        protocol = protocol_of(test)
        after = _top5(test.network, test.protocol)
        before = None if test.over is None else _top5(test.network, test.over)
        rows.append(
            {
                "network": test.network,
                "protocol": test.protocol,
                "view (px)": protocol.size,
                "views": protocol.passes,
                "MACs (G)": round(protocol.macs(cost(test.network, protocol.size).macs) / 1e9, 2),
                "top-5 error (%)": "" if after is None else after,
                "gain (points)": "" if before is None or after is None else round(before - after, 3),
                "over": test.over or "",
            }
        )
    return Table(
        "protocols",
        "Test protocols",
        rows,
        "Each view is one pass of the network. MACs: of all views of one image. Errors: published, one network, "
        "ImageNet's validation set (sources: cnn_evolution/history/published_errors.csv). Gain: points of top-5 error "
        "over another published test of the same weights.",
    )


def _top5(network: str, protocol: str) -> float | None:
    error = published_error(network, protocol)
    return None if error is None else error.top5_error


if __name__ == "__main__":
    command_line.run(main)
