import pytest

import cnn_evolution as ce

SHAPES = {
    "stem": (35, 35, 384),
    "inception_a": (35, 35, 384),
    "reduction_a": (17, 17, 1024),
    "inception_b": (17, 17, 1024),
    "reduction_b": (8, 8, 1536),
    "inception_c": (8, 8, 1536),
    "pre_logits": (1536,),
}


def test_endpoints_have_the_papers_shapes(published):
    assert published("inception_v4").shapes == SHAPES


def test_blocks_of_a_kind_are_alike(published, parameters):
    params = published("inception_v4").variables["params"]
    counts = {
        kind: [parameters(block) for name, block in params.items() if name.startswith(f"inception_{kind}")]
        for kind in "abc"
    }
    assert {kind: (len(of_kind), len(set(of_kind))) for kind, of_kind in counts.items()} == {
        "a": (4, 1),
        "b": (7, 1),
        "c": (3, 1),
    }


@pytest.mark.parametrize("depths", [(1, 1, 1), (4, 7, 1)])
def test_fewer_blocks_change_no_shape(depths, trace):
    assert trace(ce.create_model("inception_v4", depths=depths), 299).shapes == SHAPES
