"""Names of the layers of ResNet v2."""

from cnn_evolution.models.preresnet import PreResNet
from cnn_evolution.pretrained.names import Names


def pytorchcv(model: PreResNet) -> str:
    """The first convolution of the networks for CIFAR is a layer, not a block."""
    stem = "conv1 features.init_block" if model.cifar_stem else "conv1 features.init_block.conv"
    return (
        stem
        + """
        bn1                                features.init_block.bn
        stage{s}_block{b}/conv{n}          features.stage{s}.unit{b}.body.conv{n}.conv
        stage{s}_block{b}/bn{n}            features.stage{s}.unit{b}.body.conv{n}.bn
        stage{s}_block{b}/shortcut_conv    features.stage{s}.unit{b}.identity_conv
        last_bn                            features.post_activ.bn
        fc                                 output
    """
    )


ZOOS = {"pytorchcv": Names(pytorchcv)}
