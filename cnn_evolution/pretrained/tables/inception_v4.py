"""Names of Inception-v4's layers."""

from cnn_evolution.pretrained.names import Names

ZOOS = {
    "timm": Names("""
        conv_1a/{p}                           features.0.{p}
        conv_2a/{p}                           features.1.{p}
        conv_2b/{p}                           features.2.{p}
        mixed_3a/branch_3x3/{p}               features.3.conv.{p}
        mixed_4a/branch_3x3_{n}/{p}           features.4.branch0.{n-1}.{p}
        mixed_4a/branch_7x7_{n}/{p}           features.4.branch1.{n-1}.{p}
        mixed_5a/branch_3x3/{p}               features.5.conv.{p}
        inception_a{b}/branch_1x1/{p}         features.{b+5}.branch0.{p}
        inception_a{b}/branch_3x3_{n}/{p}     features.{b+5}.branch1.{n-1}.{p}
        inception_a{b}/branch_3x3dbl_{n}/{p}  features.{b+5}.branch2.{n-1}.{p}
        inception_a{b}/branch_pool/{p}        features.{b+5}.branch3.1.{p}
        reduction_a/branch_3x3/{p}            features.10.branch0.{p}
        reduction_a/branch_3x3dbl_{n}/{p}     features.10.branch1.{n-1}.{p}
        inception_b{b}/branch_1x1/{p}         features.{b+10}.branch0.{p}
        inception_b{b}/branch_7x7_{n}/{p}     features.{b+10}.branch1.{n-1}.{p}
        inception_b{b}/branch_7x7dbl_{n}/{p}  features.{b+10}.branch2.{n-1}.{p}
        inception_b{b}/branch_pool/{p}        features.{b+10}.branch3.1.{p}
        reduction_b/branch_3x3_{n}/{p}        features.18.branch0.{n-1}.{p}
        reduction_b/branch_7x7x3_{n}/{p}      features.18.branch1.{n-1}.{p}
        inception_c{b}/branch_1x1/{p}         features.{b+18}.branch0.{p}
        inception_c{b}/branch_3x3_2{s}/{p}    features.{b+18}.branch1_1{s}.{p}
        inception_c{b}/branch_3x3_1/{p}       features.{b+18}.branch1_0.{p}
        inception_c{b}/branch_3x3dbl_4{s}/{p} features.{b+18}.branch2_3{s}.{p}
        inception_c{b}/branch_3x3dbl_{n}/{p}  features.{b+18}.branch2_{n-1}.{p}
        inception_c{b}/branch_pool/{p}        features.{b+18}.branch3.1.{p}
        fc                                    last_linear
    """),
}
