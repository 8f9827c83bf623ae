"""Names of GoogLeNet's layers."""

from cnn_evolution.pretrained.names import Names

ZOOS = {
    "torchvision": Names("""
        conv1                               conv1.conv
        conv1_bn                            conv1.bn
        conv2_reduce                        conv2.conv
        conv2_reduce_bn                     conv2.bn
        conv2                               conv3.conv
        conv2_bn                            conv3.bn
        inception_{i}/branch_1x1            inception{i}.branch1.conv
        inception_{i}/branch_1x1_bn         inception{i}.branch1.bn
        inception_{i}/branch_3x3_reduce     inception{i}.branch2.0.conv
        inception_{i}/branch_3x3_reduce_bn  inception{i}.branch2.0.bn
        inception_{i}/branch_3x3            inception{i}.branch2.1.conv
        inception_{i}/branch_3x3_bn         inception{i}.branch2.1.bn
        inception_{i}/branch_5x5_reduce     inception{i}.branch3.0.conv
        inception_{i}/branch_5x5_reduce_bn  inception{i}.branch3.0.bn
        inception_{i}/branch_5x5            inception{i}.branch3.1.conv
        inception_{i}/branch_5x5_bn         inception{i}.branch3.1.bn
        inception_{i}/branch_pool_proj      inception{i}.branch4.1.conv
        inception_{i}/branch_pool_proj_bn   inception{i}.branch4.1.bn
        aux_4a/conv                         aux1.conv.conv
        aux_4a/conv_bn                      aux1.conv.bn
        aux_4a/fc1                          aux1.fc1                     flat:128
        aux_4a/fc2                          aux1.fc2
        aux_4d/conv                         aux2.conv.conv
        aux_4d/conv_bn                      aux2.conv.bn
        aux_4d/fc1                          aux2.fc1                     flat:128
        aux_4d/fc2                          aux2.fc2
        fc                                  fc
    """),
}
