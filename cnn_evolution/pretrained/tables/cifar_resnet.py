"""Names of CIFAR ResNets' layers."""

from cnn_evolution.pretrained.names import Names
from cnn_evolution.pretrained.tables import resnet

ZOOS = {
    **resnet.ZOOS,
    "pytorchcv": Names("""
        conv1                              features.init_block.conv
        bn1                                features.init_block.bn
        stage{s}_block{b}/conv{n}          features.stage{s}.unit{b}.body.conv{n}.conv
        stage{s}_block{b}/bn{n}            features.stage{s}.unit{b}.body.conv{n}.bn
        stage{s}_block{b}/shortcut_conv    features.stage{s}.unit{b}.identity_conv.conv
        stage{s}_block{b}/shortcut_bn      features.stage{s}.unit{b}.identity_conv.bn
        fc                                 output
    """),
}
