"""Names of ShuffleNet's layers."""

from cnn_evolution.pretrained.names import Names

ZOOS = {
    "pytorchcv": Names("""
        conv1                            features.init_block.conv
        bn1                              features.init_block.bn
        stage{s}_block{b}/reduce         features.stage{s-1}.unit{b}.compress_conv1
        stage{s}_block{b}/reduce_bn      features.stage{s-1}.unit{b}.compress_bn1
        stage{s}_block{b}/depthwise      features.stage{s-1}.unit{b}.dw_conv2
        stage{s}_block{b}/depthwise_bn   features.stage{s-1}.unit{b}.dw_bn2
        stage{s}_block{b}/expand         features.stage{s-1}.unit{b}.expand_conv3
        stage{s}_block{b}/expand_bn      features.stage{s-1}.unit{b}.expand_bn3
        fc                               output
    """),
}
