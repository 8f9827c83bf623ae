"""Names of ShuffleNet V2's layers."""

from cnn_evolution.pretrained.names import Names

ZOOS = {
    "torchvision": Names("""
        conv1                                     conv1.0
        bn1                                       conv1.1
        stage{s}_block{b}/shortcut_depthwise      stage{s}.{b-1}.branch1.0
        stage{s}_block{b}/shortcut_depthwise_bn   stage{s}.{b-1}.branch1.1
        stage{s}_block{b}/shortcut_pointwise      stage{s}.{b-1}.branch1.2
        stage{s}_block{b}/shortcut_pointwise_bn   stage{s}.{b-1}.branch1.3
        stage{s}_block{b}/pointwise1              stage{s}.{b-1}.branch2.0
        stage{s}_block{b}/pointwise1_bn           stage{s}.{b-1}.branch2.1
        stage{s}_block{b}/depthwise               stage{s}.{b-1}.branch2.3
        stage{s}_block{b}/depthwise_bn            stage{s}.{b-1}.branch2.4
        stage{s}_block{b}/pointwise2              stage{s}.{b-1}.branch2.5
        stage{s}_block{b}/pointwise2_bn           stage{s}.{b-1}.branch2.6
        conv5                                     conv5.0
        bn5                                       conv5.1
        fc                                        fc
    """),
}
