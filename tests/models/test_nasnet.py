import pytest

import cnn_evolution as ce
from tests.tiers import tiered

SHAPES = {
    "nasnet_a_mobile": {
        "conv1": (111, 111, 32),
        "stem1": (56, 56, 4 * 11),
        "stem2": (28, 28, 4 * 22),
        "stage1": (28, 28, 6 * 44),
        "stage2": (14, 14, 6 * 88),
        "stage3": (7, 7, 1056),
        "pre_logits": (1056,),
    },
    "nasnet_a_large": {
        "conv1": (165, 165, 96),
        "stem1": (83, 83, 4 * 42),
        "stem2": (42, 42, 4 * 84),
        "stage1": (42, 42, 6 * 168),
        "stage2": (21, 21, 6 * 336),
        "stage3": (11, 11, 4032),
        "pre_logits": (4032,),
    },
    "pnasnet5_large": {
        "conv1": (165, 165, 96),
        "stem1": (83, 83, 5 * 54),
        "stem2": (42, 42, 5 * 108),
        "stage1": (42, 42, 5 * 216),
        "stage2": (21, 21, 5 * 432),
        "stage3": (11, 11, 4320),
        "pre_logits": (4320,),
    },
}


@pytest.mark.parametrize("name", tiered(SHAPES, ["nasnet_a_mobile"]))
def test_endpoints_have_the_papers_shapes(name, published):
    assert published(name).shapes == SHAPES[name]


def test_the_cell_after_a_reduction_halves_its_earlier_input(published):
    def halving(name: str) -> set[str]:
        cells = published(name).variables["params"].items()
        return {cell for cell, parameters in cells if "halve_even" in parameters}

    after_reductions = {"stem_cell2", "stage1_cell1", "stage2_cell2", "stage3_cell2"}
    assert halving("nasnet_a_mobile") == halving("nasnet_a_large") == halving("pnasnet5_large") == after_reductions


def test_the_auxiliary_classifier_looks_at_the_second_stage(trace, parameters):
    params = trace(ce.create_model("nasnet_a_mobile", aux_heads=True), 224).variables["params"]["aux_stage2"]
    shapes = {name: params[name]["kernel"].shape for name in ("conv1", "conv2", "fc")}
    assert shapes == {"conv1": (1, 1, 528, 128), "conv2": (4, 4, 128, 768), "fc": (768, 1000)}
