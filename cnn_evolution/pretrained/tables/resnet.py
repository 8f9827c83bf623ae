"""Names of ResNet's layers."""

from cnn_evolution.pretrained.names import Names

ZOOS = {
    "torchvision": Names("""
        conv1                              conv1
        bn1                                bn1
        stage{s}_block{b}/conv{n}          layer{s}.{b-1}.conv{n}
        stage{s}_block{b}/bn{n}            layer{s}.{b-1}.bn{n}
        stage{s}_block{b}/shortcut_conv    layer{s}.{b-1}.downsample.0
        stage{s}_block{b}/shortcut_bn      layer{s}.{b-1}.downsample.1
        fc                                 fc
    """),
    "pytorchcv": Names("""
        conv1                              features.init_block.conv.conv
        bn1                                features.init_block.conv.bn
        stage{s}_block{b}/conv{n}          features.stage{s}.unit{b}.body.conv{n}.conv
        stage{s}_block{b}/bn{n}            features.stage{s}.unit{b}.body.conv{n}.bn
        stage{s}_block{b}/shortcut_conv    features.stage{s}.unit{b}.identity_conv.conv
        stage{s}_block{b}/shortcut_bn      features.stage{s}.unit{b}.identity_conv.bn
        fc                                 output
    """),
}
