"""Computes with torch what the tests expect: python tests/pretrained/make_golden.py [NAME ...].

Needs torch, torchvision, timm and pytorchcv; the tests do not. Every file in `golden/` holds, for weights and images
that `drawn.py` draws: the logits in training mode, samples of the updated running statistics, and, where the peer is
compared thoroughly, the logits in evaluation mode with measured statistics and samples of the gradients of the loss
with respect to the first and last kernels. It also holds the peer's own count of parameters and multiply-accumulates.

Training mode is computed in float32 where that is precise: where torch's own logits in float32 and in float64 agree
to a quarter of the tolerance. Very deep networks are not, and are compared in float64. So are all networks in
evaluation mode, because the statistics of a few images amplify rounding from layer to layer: torch's own logits of wide
ResNet-50-2 in float32 are off by four fifths of the tolerance. And so are all gradients: rounding turns some ReLUs on
or off, and in float32 torch's own gradient of a deep network is wrong in the second digit.

A batch whose images give nearly the same logits would prove nothing; it is refused.
"""

import argparse
import copy
import importlib
import sys
from collections.abc import Callable, Mapping

import numpy as np
import timm
import torch
import torchvision
from pytorchcv.model_provider import get_model
from torch import nn

import cnn_evolution as ce
from tests.pretrained import drawn
from tests.pretrained.peers import CLASSES, GOLDEN, PEERS, TOLERANCE, Peer

LEAST_DIFFERENCE = 0.05  # between the logits of two images, as a share of the logits' range


def build(peer: Peer, classes: int) -> nn.Module:
    """The peer with `classes` outputs, its auxiliary classifiers if it has any, and nothing random."""
    zoo, _, name = peer.builder.rpartition(":")
    if zoo == "composed":
        model = getattr(importlib.import_module("tests.pretrained.composed"), name)(classes)
    elif peer.source == "torchvision":
        options = {"init_weights": False} if name in {"googlenet", "inception_v3"} else {}
        model = torchvision.models.get_model(name, num_classes=classes, **options)
    elif peer.source == "timm":
        model = timm.create_model(name, num_classes=classes, drop_rate=0.0)
    else:
        model = get_model(name, num_classes=classes)
        if isinstance(getattr(model.features, "final_pool", None), nn.AvgPool2d):
            model.features.final_pool = nn.AdaptiveAvgPool2d(1)  # the same on the published map, whose size it is
    for module in model.modules():
        if isinstance(module, nn.Dropout | nn.Dropout2d | nn.AlphaDropout):
            module.p = 0.0
        if type(module).__name__ == "StochasticDepth":
            module.p = 0.0
        if type(module).__name__ == "DropPath":
            module.drop_prob = 0.0
    return model


def numbers(peer: Peer, classes: int, size: int) -> tuple[int, int]:
    """Parameters, and multiply-accumulates of convolutions and fully connected layers for one image."""
    with torch.device("meta"):
        model = build(peer, classes).eval()
    macs = []
    # pytorchcv's NASNet pads by a row and a column more, convolves, and cuts them off.
    cut = {
        part
        for unit in model.modules()
        if type(unit).__name__ == "NasDwsConv" and unit.extra_padding
        for part in unit.modules()
    }

    def count(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        if layer in cut:
            output = output[:, :, 1:, 1:]
        outputs = output.numel() // layer.weight.shape[0]
        macs.append(outputs * layer.weight.numel())

    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    model(torch.empty(1, 3, size, size, device="meta"))
    return sum(p.numel() for p in model.parameters()), sum(macs)


def load(model: nn.Module, weights: Mapping[str, torch.Tensor]) -> None:
    """Tensor by tensor, because torchvision's MnasNet takes no state dict that lacks its version."""
    tensors = model.state_dict()
    for key, value in weights.items():
        tensors[key].copy_(value)


def heads(output: object) -> list[torch.Tensor]:
    """The logits, and those of auxiliary classifiers in the order of the network."""
    if isinstance(output, torch.Tensor):
        return [output]
    fields = output._asdict()  # torchvision's named tuples
    return [fields["logits"], *(fields[key] for key in ("aux_logits1", "aux_logits") if key in fields)] + [
        fields[key] for key in ("aux_logits2",) if key in fields
    ]


def kernel_gradients(outputs: list[torch.Tensor], model: nn.Module) -> dict[str, np.ndarray]:
    """Samples of the gradients of all heads' summed loss, by the names of the first and the last kernel."""
    labels = torch.arange(len(outputs[0])) % CLASSES
    sum(nn.functional.cross_entropy(output, labels) for output in outputs).backward()
    kernels = [(key, value) for key, value in model.named_parameters() if value.ndim > 1 and value.grad is not None]
    return {f"gradient/{key}": drawn.sample(value.grad.numpy()) for key, value in (kernels[0], kernels[-1])}


def momentum(model: nn.Module) -> float:
    """Of all normalisations, torch's sense; 1 if there are none."""
    momenta = {module.momentum for module in model.modules() if isinstance(module, nn.BatchNorm2d)} or {1.0}
    if len(momenta) > 1:
        raise ValueError(f"normalisations have several momenta: {momenta}")
    return momenta.pop()


def statistics(model: nn.Module) -> dict[str, torch.Tensor]:
    return {key: value for key, value in model.state_dict().items() if "running_" in key}


def least_difference(logits: np.ndarray) -> float:
    """The smallest difference between two images' logits, as a share of the range of all."""
    pairs = [(i, j) for i in range(len(logits)) for j in range(i)]
    return min(float(np.abs(logits[i] - logits[j]).max()) for i, j in pairs) / float(np.ptp(logits))


def golden(name: str, report: Callable[[str], None]) -> dict[str, np.ndarray]:
    peer, spec = PEERS[name], ce.model_info(name)
    params, macs = numbers(peer, spec.num_classes, spec.input_size)
    model = build(peer, CLASSES).train()
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items() if not key.endswith("_tracked")}
    weights = {key: torch.from_numpy(value) for key, value in drawn.state_dict(shapes).items()}
    load(model, weights)
    images = torch.from_numpy(drawn.images(peer.size or spec.input_size, peer.images)).permute(0, 3, 1, 2).contiguous()

    double = copy.deepcopy(model).double()
    exact = heads(double(images.double()))
    outputs = heads(model(images))
    rounding = max(float((x - y).abs().max() / y.abs().max()) for x, y in zip(outputs, exact, strict=True))
    report(f"{name}: logits in float32 are off by {rounding:.1e}")
    precise = rounding <= TOLERANCE / 4
    if not precise:
        model, outputs = double, exact
    found = {"params": np.array(params), "macs": np.array(macs), "precise": np.array(precise)}
    found |= {f"train_{i}": output.detach().float().numpy() for i, output in enumerate(outputs)}
    found["statistics"] = drawn.samples({key: value.numpy() for key, value in statistics(model).items()})
    if peer.thorough:
        found |= kernel_gradients(exact, double)
        found["momentum"] = np.array(momentum(model))
        load(double, {key: value / momentum(double) for key, value in statistics(double).items()})
        found["evaluation"] = double.eval()(images.double()).detach().float().numpy()
    for mode in ("train_0", "evaluation"):
        if mode in found:
            difference = least_difference(found[mode])
            report(f"{name} {mode}: two images' logits differ by at least {difference:.0%} of their range")
            if not difference >= LEAST_DIFFERENCE:
                raise ValueError(f"{name} {mode}: that is less than {LEAST_DIFFERENCE:.0%}, and would prove nothing")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="entries of the catalogue; all without any")
    names = parser.parse_args().names or list(PEERS)
    GOLDEN.mkdir(exist_ok=True)
    for name in names:
        np.savez_compressed(GOLDEN / f"{name}.npz", **golden(name, lambda line: print(line, file=sys.stderr)))


if __name__ == "__main__":
    main()
