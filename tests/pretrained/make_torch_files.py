"""Writes with torch what `test_torch_files.py` reads: python tests/pretrained/make_torch_files.py.

Needs torch; the tests do not. In `torch_files/`, NAME_zip.pth and NAME_older.pth are what `torch.save` writes in its
two forms, and NAME.npz is what `torch.load` finds in both, with bfloat16 as float32.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

DIRECTORY = Path(__file__).with_name("torch_files")
FORMS = {"zip": True, "older": False}


def layouts() -> dict[str, Tensor]:
    """Views of all kinds; the first five share a storage."""
    base = torch.arange(24.0).reshape(2, 3, 4)
    return {
        "contiguous": base,
        "transposed": base.permute(2, 0, 1),
        "sliced": base[1:, 1:, 1::2],
        "expanded": base[:1, :1, :].expand(3, 2, 4),
        "windows": base.reshape(-1).unfold(0, 4, 2),
        "repeated": torch.tensor(2.5).expand(2, 5),
        "scalar": torch.tensor(-0.0),
        "counter": torch.tensor(7),
        "empty": torch.zeros(0, 3),
        "emptied": base[2:],
    }


def dtypes() -> dict[str, Tensor]:
    """Extreme values of every type."""
    states = {}
    for dtype in (torch.float16, torch.float32, torch.float64, torch.bfloat16):
        info = torch.finfo(dtype)
        values = [0.0, -0.0, 1 / 3, info.max, info.min, info.tiny, torch.inf, -torch.inf, torch.nan]
        states[str(dtype)] = torch.tensor(values, dtype=dtype)
    for dtype in (torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8):
        states[str(dtype)] = torch.tensor([torch.iinfo(dtype).min, 0, 1, torch.iinfo(dtype).max], dtype=dtype)
    return states | {"torch.bool": torch.tensor([True, False])}


def module() -> dict[str, Tensor]:
    """A module's state dict with its parameters, its counter and the versions of its parts."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3)).state_dict(keep_vars=True)


def checkpoint() -> dict[str, Any]:
    """What a training loop saves: more than tensors."""
    layer = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
    layer(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return {"epoch": 3, "model": dict(layer.state_dict()), "optimizer": optimizer.state_dict(), "best": (0.5, None)}


def save(name: str, content: Mapping[str, Any]) -> None:
    for form, zipped in FORMS.items():
        torch.save(content, DIRECTORY / f"{name}_{form}.pth", _use_new_zipfile_serialization=zipped)


def expected(name: str) -> dict[str, np.ndarray]:
    """What torch reads, which must be the same in both forms."""
    zipped, older = (
        {
            key: (value.float() if value.dtype == torch.bfloat16 else value).detach().numpy()
            for key, value in torch.load(DIRECTORY / f"{name}_{form}.pth", weights_only=True).items()
        }
        for form in FORMS
    )
    if any(zipped[key].tobytes() != older[key].tobytes() for key in zipped.keys() | older.keys()):
        raise ValueError(f"torch reads {name} differently in its two forms")
    return zipped


def main() -> None:
    DIRECTORY.mkdir(exist_ok=True)
    for name, state in {"layouts": layouts(), "dtypes": dtypes(), "module": module()}.items():
        save(name, state)
        np.savez_compressed(DIRECTORY / f"{name}.npz", **expected(name))
    save("checkpoint", checkpoint())


if __name__ == "__main__":
    main()
