"""Names of BN-Inception's layers."""

from cnn_evolution.pretrained.names import Names

UNITS = {
    "3a": "stage1.unit1",
    "3b": "stage1.unit2",
    "3c": "stage2.unit1",
    "4a": "stage2.unit2",
    "4b": "stage2.unit3",
    "4c": "stage2.unit4",
    "4d": "stage2.unit5",
    "4e": "stage3.unit1",
    "5a": "stage3.unit2",
    "5b": "stage3.unit3",
}
REDUCTIONS = ("3c", "4e")


def unit(block: str, theirs: str) -> str:
    """The lines of a block; pytorchcv counts its branches, of which a reduction lacks the first."""
    first = 1 if block in REDUCTIONS else 2
    return f"""
        inception_{block}/branch_1x1/{{p}}            features.{theirs}.branches.branch1.{{p}}
        inception_{block}/branch_3x3_{{n}}/{{p}}        features.{theirs}.branches.branch{first}.conv{{n}}.{{p}}
        inception_{block}/branch_double3x3_{{n}}/{{p}}  features.{theirs}.branches.branch{first + 1}.conv{{n}}.{{p}}
        inception_{block}/branch_pool/{{p}}           features.{theirs}.branches.branch4.conv.{{p}}
    """


ZOOS = {
    "pytorchcv": Names(
        """
        conv1/{p}         features.init_block.conv1.{p}
        conv2_reduce/{p}  features.init_block.conv2.conv1.{p}
        conv2/{p}         features.init_block.conv2.conv2.{p}
        fc                output
        """
        + "".join(unit(block, theirs) for block, theirs in UNITS.items())
    ),
}
