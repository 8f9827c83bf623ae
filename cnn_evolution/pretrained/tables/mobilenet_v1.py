"""Names of MobileNet's layers."""

from cnn_evolution.pretrained.names import Names

ZOOS = {
    "pytorchcv": Names("""
        conv1                              features.init_block.conv
        bn1                                features.init_block.bn
        stage{s}_block{b}/depthwise        features.stage{s}.unit{b}.dw_conv.conv
        stage{s}_block{b}/depthwise_bn     features.stage{s}.unit{b}.dw_conv.bn
        stage{s}_block{b}/pointwise        features.stage{s}.unit{b}.pw_conv.conv
        stage{s}_block{b}/pointwise_bn     features.stage{s}.unit{b}.pw_conv.bn
        fc                                 output
    """),
}
