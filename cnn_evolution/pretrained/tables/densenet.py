"""Names of DenseNet's layers."""

from cnn_evolution.pretrained.names import Names

ZOOS = {
    "torchvision": Names(
        """
        conv1                   features.conv0
        bn1                     features.norm0
        block{b}_layer{l}/conv{n}   features.denseblock{b}.denselayer{l}.conv{n}
        block{b}_layer{l}/bn{n}     features.denseblock{b}.denselayer{l}.norm{n}
        transition{b}/conv      features.transition{b}.conv
        transition{b}/bn        features.transition{b}.norm
        bn2                     features.norm5
        fc                      classifier
        """,
        # the published files are older than torch's ban on dots in the names of modules
        renamed={r"(denselayer\d+\.(?:norm|conv))\.([12])\.": r"\1\2."},
    ),
}
