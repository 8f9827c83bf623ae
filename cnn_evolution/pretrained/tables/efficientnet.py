"""Names of EfficientNet's layers; the first stage's blocks, without expansion, have one layer less."""

from cnn_evolution.pretrained.names import Names

ZOOS = {
    "torchvision": Names("""
        conv1                                features.0.0
        bn1                                  features.0.1
        stage1_block{b}/depthwise            features.1.{b-1}.block.0.0
        stage1_block{b}/depthwise_bn         features.1.{b-1}.block.0.1
        stage1_block{b}/attention/squeeze    features.1.{b-1}.block.1.fc1      1x1
        stage1_block{b}/attention/excite     features.1.{b-1}.block.1.fc2      1x1
        stage1_block{b}/project              features.1.{b-1}.block.2.0
        stage1_block{b}/project_bn           features.1.{b-1}.block.2.1
        stage{s}_block{b}/expand             features.{s}.{b-1}.block.0.0
        stage{s}_block{b}/expand_bn          features.{s}.{b-1}.block.0.1
        stage{s}_block{b}/depthwise          features.{s}.{b-1}.block.1.0
        stage{s}_block{b}/depthwise_bn       features.{s}.{b-1}.block.1.1
        stage{s}_block{b}/attention/squeeze  features.{s}.{b-1}.block.2.fc1    1x1
        stage{s}_block{b}/attention/excite   features.{s}.{b-1}.block.2.fc2    1x1
        stage{s}_block{b}/project            features.{s}.{b-1}.block.3.0
        stage{s}_block{b}/project_bn         features.{s}.{b-1}.block.3.1
        conv2                                features.8.0
        bn2                                  features.8.1
        fc                                   classifier.1
    """),
}
