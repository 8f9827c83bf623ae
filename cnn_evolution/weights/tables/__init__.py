"""What the zoos call our layers, one file a family of `models/`."""

from cnn_evolution.weights.tables import (
    convnext,
    densenet,
    resnet,
    senet,
    shufflenet_v1,
    shufflenet_v2,
    squeezenet,
    vgg,
)

TABLES = {
    table.__name__.rpartition(".")[2]: table.ZOOS
    for table in (
        convnext,
        densenet,
        resnet,
        senet,
        shufflenet_v1,
        shufflenet_v2,
        squeezenet,
        vgg,
    )
}
