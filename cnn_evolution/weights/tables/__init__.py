"""What the zoos call our layers, one file a family of `models/`."""

from cnn_evolution.weights.tables import cifar_resnet, mobilenet_v1, resnet, resnext, senet, vgg

TABLES = {
    table.__name__.rpartition(".")[2]: table.ZOOS
    for table in (
        cifar_resnet,
        mobilenet_v1,
        resnet,
        resnext,
        senet,
        vgg,
    )
}
