"""Names of EfficientNet-Lite's layers; the first stage's block, without expansion, has one layer less."""

from cnn_evolution.models.efficientnet_lite import EfficientNetLite
from cnn_evolution.pretrained.names import Names


def efficientnet_lite_pytorch(model: EfficientNetLite) -> str:
    """The package numbers the blocks of all stages through."""
    blocks = [(stage, i) for stage, depth in enumerate(model.depths, start=1) for i in range(1, depth + 1)]
    return """
        conv1  _conv_stem
        bn1    _bn0
        conv2  _conv_head
        bn2    _bn1
        fc     _fc
    """ + "\n".join(
        f"""
        stage{stage}_block{i}/expand        _blocks.{number}._expand_conv
        stage{stage}_block{i}/expand_bn     _blocks.{number}._bn0
        stage{stage}_block{i}/depthwise     _blocks.{number}._depthwise_conv
        stage{stage}_block{i}/depthwise_bn  _blocks.{number}._bn1
        stage{stage}_block{i}/project       _blocks.{number}._project_conv
        stage{stage}_block{i}/project_bn    _blocks.{number}._bn2
        """
        for number, (stage, i) in enumerate(blocks)
    )


ZOOS = {
    "timm": Names("""
        conv1                           conv_stem
        bn1                             bn1
        stage1_block{b}/depthwise       blocks.0.{b-1}.conv_dw
        stage1_block{b}/depthwise_bn    blocks.0.{b-1}.bn1
        stage1_block{b}/project         blocks.0.{b-1}.conv_pw
        stage1_block{b}/project_bn      blocks.0.{b-1}.bn2
        stage{s}_block{b}/expand        blocks.{s-1}.{b-1}.conv_pw
        stage{s}_block{b}/expand_bn     blocks.{s-1}.{b-1}.bn1
        stage{s}_block{b}/depthwise     blocks.{s-1}.{b-1}.conv_dw
        stage{s}_block{b}/depthwise_bn  blocks.{s-1}.{b-1}.bn2
        stage{s}_block{b}/project       blocks.{s-1}.{b-1}.conv_pwl
        stage{s}_block{b}/project_bn    blocks.{s-1}.{b-1}.bn3
        conv2                           conv_head
        bn2                             bn2
        fc                              classifier
    """),
    "efficientnet_lite_pytorch": Names(efficientnet_lite_pytorch),
}
