import pytest

from cnn_evolution.pretrained.conversion import correspondence
from cnn_evolution.pretrained.tables import names_of

# as torchvision's published files spell them: as its code does now
SPELLINGS = {
    "features.denseblock1.denselayer1.norm.1.running_mean": "features.denseblock1.denselayer1.norm1.running_mean",
    "features.denseblock4.denselayer16.conv.2.weight": "features.denseblock4.denselayer16.conv2.weight",
    "features.transition1.norm.bias": "features.transition1.norm.bias",
    "features.transition3.conv.weight": "features.transition3.conv.weight",
    "features.norm5.weight": "features.norm5.weight",
}


@pytest.mark.parametrize("published", SPELLINGS)
def test_published_files_have_older_names(published):
    present = names_of("densenet")["torchvision"].present(published)
    assert present == SPELLINGS[published]
    assert present in {leaf.key for leaf in correspondence("densenet121", "torchvision")}


def test_present_names_stay():
    present = names_of("densenet")["torchvision"].present
    assert all(present(leaf.key) == leaf.key for leaf in correspondence("densenet121", "torchvision"))
