"""What the zoos call our layers, one file a family of `models/`."""

from cnn_evolution.weights.tables import (
    efficientnet,
    mnasnet,
    mobilenet_v1,
    mobilenet_v2,
    mobilenet_v3,
    resnet,
    senet,
    vgg,
)

TABLES = {
    table.__name__.rpartition(".")[2]: table.ZOOS
    for table in (
        efficientnet,
        mnasnet,
        mobilenet_v1,
        mobilenet_v2,
        mobilenet_v3,
        resnet,
        senet,
        vgg,
    )
}
