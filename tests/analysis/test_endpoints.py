"""Which parameters lead to which endpoint."""

import jax
import pytest
from flax import traverse_util

import cnn_evolution as ce
from cnn_evolution.analysis import parameters_by_endpoint
from tests.tiers import tiered


@pytest.mark.parametrize("name", tiered(ce.list_models(), ["resnet18", "googlenet", "mobilenet_v3_small"]))
def test_every_parameter_but_those_of_classifiers_leads_to_one_endpoint(name):
    size, model = ce.model_info(name).input_size, ce.create_model(name)
    images = jax.ShapeDtypeStruct((1, size, size, 3), "float32")
    params = traverse_util.flatten_dict(jax.eval_shape(model.init, jax.random.key(0), images)["params"], sep="/")
    found = [path for paths in parameters_by_endpoint(model, size).values() for path in paths]
    assert len(found) == len(set(found))
    left = {path: leaf for path, leaf in params.items() if path not in found}
    assert found and left and found == [path for path in found if path in params]
    last = [leaf for path, leaf in left.items() if not path.startswith("aux")]
    assert all(1000 in leaf.shape or 10 in leaf.shape for leaf in last)


def test_layers_belong_to_the_next_endpoint():
    found = parameters_by_endpoint(ce.create_model("resnet18"), 224)
    layers = {name: sorted({path.split("/")[0] for path in paths}) for name, paths in found.items()}
    assert layers == {
        "stem": ["bn1", "conv1"],
        **{f"stage{n}": [f"stage{n}_block1", f"stage{n}_block2"] for n in (1, 2, 3, 4)},
        "pre_logits": [],
    }
