"""What the zoos call our layers, one file a family of `models/`."""

from cnn_evolution.weights.tables import (
    bn_inception,
    inception_resnet,
    inception_v3,
    inception_v4,
    resnet,
    senet,
    vgg,
    xception,
)

TABLES = {
    table.__name__.rpartition(".")[2]: table.ZOOS
    for table in (
        bn_inception,
        inception_v3,
        inception_v4,
        inception_resnet,
        xception,
        resnet,
        senet,
        vgg,
    )
}
