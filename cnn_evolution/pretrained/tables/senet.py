"""Names of SENet's layers; timm's are those of the authors' Caffe networks."""

from cnn_evolution.pretrained.names import Names

ZOOS = {
    "timm": Names("""
        conv{i}                              layer0.conv{i}
        bn{i}                                layer0.bn{i}
        stage{s}_block{b}/conv{n}            layer{s}.{b-1}.conv{n}
        stage{s}_block{b}/bn{n}              layer{s}.{b-1}.bn{n}
        stage{s}_block{b}/attention/squeeze  layer{s}.{b-1}.se_module.fc1  1x1
        stage{s}_block{b}/attention/excite   layer{s}.{b-1}.se_module.fc2  1x1
        stage{s}_block{b}/shortcut_conv      layer{s}.{b-1}.downsample.0
        stage{s}_block{b}/shortcut_bn        layer{s}.{b-1}.downsample.1
        fc                                   last_linear
    """),
}
