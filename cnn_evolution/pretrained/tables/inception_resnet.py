"""Names of Inception-ResNet-v2's layers."""

from cnn_evolution.pretrained.names import Names

ZOOS = {
    "timm": Names("""
        conv_{s}/{p}                       conv2d_{s}.{p}
        mixed_5b/branch_1x1/{p}            mixed_5b.branch0.{p}
        mixed_5b/branch_5x5_{n}/{p}        mixed_5b.branch1.{n-1}.{p}
        mixed_5b/branch_3x3dbl_{n}/{p}     mixed_5b.branch2.{n-1}.{p}
        mixed_5b/branch_pool/{p}           mixed_5b.branch3.1.{p}
        block35_{b}/branch_1x1/{p}         repeat.{b-1}.branch0.{p}
        block35_{b}/branch_3x3_{n}/{p}     repeat.{b-1}.branch1.{n-1}.{p}
        block35_{b}/branch_3x3dbl_{n}/{p}  repeat.{b-1}.branch2.{n-1}.{p}
        block35_{b}/expand                 repeat.{b-1}.conv2d
        mixed_6a/branch_3x3/{p}            mixed_6a.branch0.{p}
        mixed_6a/branch_3x3dbl_{n}/{p}     mixed_6a.branch1.{n-1}.{p}
        block17_{b}/branch_1x1/{p}         repeat_1.{b-1}.branch0.{p}
        block17_{b}/branch_7x7_{n}/{p}     repeat_1.{b-1}.branch1.{n-1}.{p}
        block17_{b}/expand                 repeat_1.{b-1}.conv2d
        mixed_7a/branch_3x3a_{n}/{p}       mixed_7a.branch0.{n-1}.{p}
        mixed_7a/branch_3x3b_{n}/{p}       mixed_7a.branch1.{n-1}.{p}
        mixed_7a/branch_3x3dbl_{n}/{p}     mixed_7a.branch2.{n-1}.{p}
        block8_last/branch_1x1/{p}         block8.branch0.{p}
        block8_last/branch_3x3_{n}/{p}     block8.branch1.{n-1}.{p}
        block8_last/expand                 block8.conv2d
        block8_{b}/branch_1x1/{p}          repeat_2.{b-1}.branch0.{p}
        block8_{b}/branch_3x3_{n}/{p}      repeat_2.{b-1}.branch1.{n-1}.{p}
        block8_{b}/expand                  repeat_2.{b-1}.conv2d
        fc                                 classif
    """),
}
