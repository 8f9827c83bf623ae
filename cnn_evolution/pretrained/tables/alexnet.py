"""Names of AlexNet's layers."""

from typing import Any

from cnn_evolution.pretrained.names import Names


def pytorchcv(model: Any) -> str:
    """ZFNet's layers have the same names."""
    return f"""
        conv1  features.stage1.unit1.conv
        conv2  features.stage2.unit1.conv
        conv3  features.stage3.unit1.conv
        conv4  features.stage3.unit2.conv
        conv5  features.stage3.unit3.conv
        fc6    output.fc1.fc               flat:{model.features[-1]}
        fc7    output.fc2.fc
        fc8    output.fc3
    """


ZOOS = {
    "torchvision": Names("""
        conv1  features.0
        conv2  features.3
        conv3  features.6
        conv4  features.8
        conv5  features.10
        fc6    classifier.1  flat:256
        fc7    classifier.4
        fc8    classifier.6
    """),
    "pytorchcv": Names(pytorchcv),
}
