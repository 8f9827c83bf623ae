"""Names of MnasNet's layers.

Torchvision's module takes a state dict only with the version of the network beside it, which is 2: set
`state_dict._metadata = {"": {"version": 2}}` on an `OrderedDict` of the tensors.
"""

from cnn_evolution.pretrained.names import Names

ZOOS = {
    "torchvision": Names("""
        conv1                              layers.0
        bn1                                layers.1
        stage1_block1/depthwise            layers.3
        stage1_block1/depthwise_bn         layers.4
        stage1_block1/project              layers.6
        stage1_block1/project_bn           layers.7
        stage{s}_block{b}/expand           layers.{s+6}.{b-1}.layers.0
        stage{s}_block{b}/expand_bn        layers.{s+6}.{b-1}.layers.1
        stage{s}_block{b}/depthwise        layers.{s+6}.{b-1}.layers.3
        stage{s}_block{b}/depthwise_bn     layers.{s+6}.{b-1}.layers.4
        stage{s}_block{b}/project          layers.{s+6}.{b-1}.layers.6
        stage{s}_block{b}/project_bn       layers.{s+6}.{b-1}.layers.7
        conv2                              layers.14
        bn2                                layers.15
        fc                                 classifier.1
    """),
}
