"""What the benchmark compares: steps of one network in this package, with XLA's own convolutions, and in PyTorch.

All do the same work. An inference step maps a batch of images to logits; a training step adds cross-entropy, that of
auxiliary classifiers included, its gradient, and stochastic gradient descent with momentum.
"""

import contextlib
import dataclasses
import importlib.util
import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import cnn_evolution as ce
from cnn_evolution import layers
from cnn_evolution.cpu_settings import prefer_eigen

MODES = ("inference", "training")
LEARNING_RATE, MOMENTUM = 1e-3, 0.9


@dataclasses.dataclass(frozen=True)
class Case:
    """A network and what it is given.

    Attributes:
      model: Name in the catalogue.
      input_size: Side of the images, in pixels.
      batch_size: Images a step.
      width: Factor on every number of channels.
      dtype: What the layers compute in, "float32" or "bfloat16".
    """

    model: str
    input_size: int
    batch_size: int
    width: float
    dtype: str

    def batch(self) -> tuple[np.ndarray, np.ndarray]:
        """Images (N, H, W, 3), float32, and labels (N,)."""
        draw = np.random.default_rng(0)
        images = draw.normal(size=(self.batch_size, self.input_size, self.input_size, 3)).astype(np.float32)
        return images, draw.integers(ce.model_info(self.model).num_classes, size=self.batch_size)


def parse(network: str, input_size: int | None, batch_size: int, width: float, dtype: str) -> Case:
    """`NAME`, `NAME@PIXELS` or `NAME@PIXELSxIMAGES` as a case; the numbers are for what it does not say.

    Raises:
      ValueError: if it has another form, or there is no network of that name.
    """
    name, _, shape = network.partition("@")
    size, _, images = shape.partition("x")
    spec = ce.model_info(name)
    if not all(number.isdecimal() for number in (size, images) if number):
        raise ValueError(f"{network!r} is not NAME, NAME@PIXELS or NAME@PIXELSxIMAGES, such as {name}@64x32")
    pixels = int(size) if size else input_size or spec.input_size
    return Case(name, pixels, int(images) if images else batch_size, width, dtype)


@dataclasses.dataclass(frozen=True)
class Step:
    """A step that is ready to run.

    Attributes:
      setting: What distinguishes it from others of the same contender and mode.
      run: Runs so many steps, and returns when they are done.
      compile_seconds: What it took to trace and compile; None where the first steps do that.
      program: What was compiled, in XLA's text form; None where that is not XLA.
    """

    setting: str
    run: Callable[[int], None]
    compile_seconds: float | None = None
    program: Callable[[], str] | None = None


@dataclasses.dataclass(frozen=True)
class Contender:
    """What it runs on, and the steps of each mode to choose from."""

    device: str
    steps: Mapping[str, list[Step]]


def ours(case: Case) -> Contender:
    """This package, as it is, by the library that command lines ask for."""
    prefer_eigen()
    return _jax_steps(case, contextlib.nullcontext())


def lax(case: Case) -> Contender:
    """This package with XLA's own convolutions and max-pooling, by the library that jaxlib prefers."""
    return _jax_steps(case, layers.plain_convolutions())


def _jax_steps(case: Case, context: contextlib.AbstractContextManager[None]) -> Contender:
    import jax
    import jax.numpy as jnp
    import optax

    model = ce.create_model(case.model, dtype=jnp.dtype(case.dtype), input_size=case.input_size, width=case.width)
    images, labels = map(jnp.asarray, case.batch())
    variables = jax.jit(model.init)(jax.random.key(0, impl="rbg"), images[:1])
    optimizer = optax.sgd(LEARNING_RATE, momentum=MOMENTUM)

    def predict(variables: Any, images: Any) -> Any:
        return model.apply(variables, images)

    def loss(params: Any, others: Any, images: Any, labels: Any, key: Any) -> Any:
        logits, new = model.apply(
            {"params": params, **others},
            images,
            train=True,
            rngs={"dropout": key},
            mutable=["batch_stats", "aux_logits"],
        )
        every = [logits, *jax.tree.leaves(new.get("aux_logits", {}))]
        total = sum(optax.softmax_cross_entropy_with_integer_labels(one, labels).mean() for one in every)
        return total, {name: new[name] for name in others}

    def train(state: Any, images: Any, labels: Any) -> Any:
        params, others, momentum, key = state
        key, dropout_key = jax.random.split(key)
        grads, others = jax.grad(loss, has_aux=True)(params, others, images, labels, dropout_key)
        updates, momentum = optimizer.update(grads, momentum)
        return optax.apply_updates(params, updates), others, momentum, key

    others = {name: values for name, values in variables.items() if name == "batch_stats"}
    state = jax.tree.map(
        jnp.copy, (variables["params"], others, optimizer.init(variables["params"]), jax.random.key(1))
    )
    with context:
        prediction, predict_seconds = _compiled(jax.jit(predict), variables, images)
        update, train_seconds = _compiled(jax.jit(train, donate_argnums=0), state, images, labels)

    def run_inference(steps: int) -> None:
        jax.block_until_ready([prediction(variables, images) for _ in range(steps)])

    def run_training(steps: int) -> None:
        nonlocal state
        for _ in range(steps):
            state = update(state, images, labels)
        jax.block_until_ready(state)

    steps = {
        "inference": [Step("", run_inference, predict_seconds, prediction.as_text)],
        "training": [Step("", run_training, train_seconds, update.as_text)],
    }
    return Contender(jax.devices()[0].device_kind, steps)


def _compiled(function: Any, *arguments: Any) -> tuple[Any, float]:
    start = time.perf_counter()
    compiled = function.lower(*arguments).compile()
    return compiled, time.perf_counter() - start


def torch(case: Case) -> Contender:
    """PyTorch, in both memory layouts; on a GPU also compiled."""
    import torch

    gpu = torch.cuda.is_available()
    steps: dict[str, list[Step]] = {mode: [] for mode in MODES}
    for layout, compiled in itertools.product(("channels_last", "contiguous"), (False, True) if gpu else (False,)):
        for mode, run in torch_runs(case, layout, compiled=compiled).items():
            steps[mode].append(Step(layout + " compiled" * compiled, run))
    return Contender(torch.cuda.get_device_name() if gpu else "cpu", steps)


def torch_runs(case: Case, layout: str, *, compiled: bool = False) -> Mapping[str, Callable[[int], None]]:
    """PyTorch by mode, each as a function that runs so many steps.

    Args:
      case: What runs; in bfloat16 by automatic mixed precision.
      layout: "channels_last" or "contiguous".
      compiled: Whether by `torch.compile`.
    """
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = True  # as JAX, and as cuDNN in both
    memory_format = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}[layout]
    images, labels = case.batch()
    target = torch.from_numpy(labels).to(device)
    batch = torch.from_numpy(images.transpose(0, 3, 1, 2)).to(device).contiguous(memory_format=memory_format)
    network = torch_network(case.model).to(device).to(memory_format=memory_format)
    optimizer = torch.optim.SGD(network.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)
    forward = torch.compile(network) if compiled else network

    def half() -> Any:
        return torch.autocast(device, torch.bfloat16, enabled=case.dtype == "bfloat16")

    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    def run_inference(steps: int) -> None:
        network.eval()
        with torch.inference_mode(), half():
            for _ in range(steps):
                forward(batch)
        wait()

    def run_training(steps: int) -> None:
        network.train()
        for _ in range(steps):
            optimizer.zero_grad()
            with half():
                outputs = forward(batch)
                every = outputs if isinstance(outputs, tuple) else (outputs,)
                loss = sum(torch.nn.functional.cross_entropy(one, target) for one in every)
            loss.backward()
            optimizer.step()
        wait()

    return {"inference": run_inference, "training": run_training}


# Where torchvision has no network of that name, or another: AlexNet with one column, GoogLeNet with normalised batches.
TORCH = {
    "alexnet": None,
    "zfnet": "pytorchcv zfnet",
    "zfnet_b": "pytorchcv zfnetb",
    "googlenet": None,
    "googlenet_bn": "torchvision googlenet",
    "resnet50_v1": "pytorchcv resnet50",
    "resnet101_v1": "pytorchcv resnet101",
    "resnet152_v1": "pytorchcv resnet152",
    "se_resnet18": "pytorchcv seresnet18",
    "se_resnet50": "pytorchcv seresnet50",
    "mobilenet_v1": "pytorchcv mobilenet_w1",
    **{f"efficientnet_lite{i}": f"timm tf_efficientnet_lite{i}" for i in range(5)},
}


def torch_source(name: str) -> str | None:
    """The library and the name of a network for PyTorch, as "LIBRARY NAME"; None if that is not installed."""
    if not all(map(importlib.util.find_spec, ("torch", "torchvision"))):
        return None
    from torchvision.models import list_models

    source = TORCH.get(name, f"torchvision {name}" if name in list_models() else None)
    return source if source and importlib.util.find_spec(source.split()[0]) else None


def torch_network(name: str) -> Any:
    """The network as PyTorch has it.

    Raises:
      ValueError: if that has another number of parameters.
    """
    library, name_there = (torch_source(name) or "").split()
    if library == "pytorchcv":
        from pytorchcv.model_provider import get_model
    elif library == "timm":
        from timm import create_model as get_model
    else:
        from torchvision.models import get_model
    network = get_model(name_there)
    spec = ce.model_info(name)
    found, expected = sum(p.numel() for p in network.parameters()), spec.params + spec.aux_params
    if found != expected:
        raise ValueError(f"{name} has {found} parameters in {library}; expected {expected}")
    return network
