"""What the zoos call our layers, one file a family of `models/`."""

from cnn_evolution.weights.tables import alexnet, googlenet, mobilenet_v1, nasnet, pnasnet, resnet, senet, vgg, zfnet

TABLES = {
    table.__name__.rpartition(".")[2]: table.ZOOS
    for table in (
        alexnet,
        zfnet,
        vgg,
        googlenet,
        resnet,
        mobilenet_v1,
        senet,
        nasnet,
        pnasnet,
    )
}
