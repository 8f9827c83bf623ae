"""What importing the package imports, and what is said where a package is missing.

The tests start processes in which every package is blocked but those that importing jax and flax.linen takes.
"""

import json
import subprocess
import sys

import pytest

TAKEN = (
    "absl flax google jax jaxlib markdown_it mdurl ml_dtypes msgpack numpy opt_einsum pygments rich typing_extensions "
    "yaml _yaml cnn_evolution"
)
BARE = f"""
import sys
from importlib import metadata

blocked = set(metadata.packages_distributions()) - set({TAKEN!r}.split())

class Blocking:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocking())
sys.modules["fcntl"] = None  # which Windows lacks
import jax
import jax.numpy as jnp
import cnn_evolution as ce
"""


def printed(code):
    """What a process prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_importing_imports_nothing_that_reads_data_or_weights_or_trains():
    heavy = {"torch", "safetensors", "requests", "PIL", "simplejpeg", "grain", "tensorflow_datasets", "optax", "scipy"}
    heavy |= {"orbax", "chex", "matplotlib", "tyro", "tensorboardX", "http.client"}
    code = """
import sys, flax.linen
before = set(sys.modules)
import cnn_evolution as ce
assert not any(name.startswith("cnn_evolution.") for name in sys.modules)
[getattr(ce, name) for name in ce.__all__]
print(*set(sys.modules) - before)
"""
    (new,) = printed(code)
    assert "cnn_evolution.models" in new.split() and not heavy & set(new.split())


def test_networks_features_costs_and_conversion_need_jax_and_flax_alone():
    logits, endpoints, params, sources, tensors = printed(
        BARE
        + """
model = ce.create_model("resnet18", num_classes=10, width=0.125)
images = jnp.zeros((2, 64, 64, 3))
variables = model.init(jax.random.key(0), images)
print(model.apply(variables, images).shape)
print(*ce.features(model, variables, images))
print(ce.cost("googlenet").params)
print(*(weights.source for weights in ce.pretrained_weights("resnet50")))
print(*ce.to_torch("resnet18", variables, width=0.125))
"""
    )
    assert logits == "(2, 10)" and endpoints.startswith("stem stage1 ") and int(params) == 6_998_552
    assert sources == "torchvision torchvision" and "fc.weight" in tensors.split()


NETWORK = "ce.pretrained.Pretrained(model=None, variables=None, pixels=None, crop=None, classes=())"
MISSING = {
    "import cnn_evolution.data": r"cnn_evolution.data needs simplejpeg, which is not installed: pip install simplejpeg",
    "import cnn_evolution.training": "which is not installed: pip install ",
    "import cnn_evolution.recipes": "which is not installed: pip install ",
    "import cnn_evolution.analysis.gradients": "gradients needs optax, which is not installed: pip install optax",
    "import cnn_evolution.evaluation.intervals": "which is not installed: pip install ",
    "ce.load(path='.')": "loading a run needs ",
    "ce.pretrained.save_state_dict('w.safetensors', {'a': jnp.ones(1)})": "needs safetensors, which is not installed",
    f"{NETWORK}.preprocess(b'')": "reading images needs pillow, which is not installed: pip install pillow",
}


@pytest.fixture(scope="module")
def said():
    """By code, the message of its ImportError."""
    lines = printed(
        BARE
        + f"""
import json
for code in {list(MISSING)!r}:
    try:
        exec(code)
    except ImportError as error:
        print(json.dumps([code, str(error)]))
"""
    )
    return dict(map(json.loads, lines))


@pytest.mark.parametrize("code", MISSING)
def test_a_missing_package_is_named_with_the_command_that_installs_it(code, said):
    assert MISSING[code] in said[code]
