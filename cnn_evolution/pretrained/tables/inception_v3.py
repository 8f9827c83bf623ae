"""Names of Inception-v3's layers."""

from cnn_evolution.pretrained.names import Names

ZOOS = {
    "torchvision": Names("""
        conv_3b/{p}                   Conv2d_3b_1x1.{p}
        conv_{s}/{p}                  Conv2d_{s}_3x3.{p}
        mixed_{m}/branch_pool/{p}     Mixed_{m}.branch_pool.{p}
        mixed_{m}/branch_{k}/{p}      Mixed_{m}.branch{k}.{p}
        mixed_{m}/branch_{k}_{n}/{p}  Mixed_{m}.branch{k}_{n}.{p}
        aux_6e/conv1/{p}              AuxLogits.conv0.{p}
        aux_6e/conv2/{p}              AuxLogits.conv1.{p}
        aux_6e/fc                     AuxLogits.fc
        fc                            fc
    """),
}
