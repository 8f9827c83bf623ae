"""A loss of one's own: a small network learns what a frozen teacher says (Hinton et al. 2015)."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import optax
import tyro

import cnn_evolution as ce
from cnn_evolution.evaluation.results import summary
from cnn_evolution.recipes import load_run, mini_recipe, smoke_recipe, train
from cnn_evolution.training import fit

TEMPERATURE, SHARE = 4.0, 0.7  # of the teacher


def distilled(student: Any, teacher: Any) -> Any:
    def objective(params: Any, model_state: Any, batch: Any, key: Any, step: Any, frozen: Any) -> Any:
        options = {"train": True, "rngs": {"dropout": key}, "mutable": ["batch_stats"]}
        logits, new = student.apply({"params": params, **model_state}, batch["image"], **options)
        taught = jax.nn.softmax(teacher.apply(frozen, batch["image"]) / TEMPERATURE)
        soft = optax.softmax_cross_entropy(logits / TEMPERATURE, taught)
        hard = optax.softmax_cross_entropy(logits, batch["target"])
        there = batch["target"].sum(-1)  # 0 where a row holds no image
        loss = there * (SHARE * TEMPERATURE**2 * soft + (1 - SHARE) * hard)
        return loss.sum(), (dict(new), {"teacher_loss": (there * soft).sum()})

    return objective


def main(run_dir: Path = Path("runs/distillation"), quick: bool = False) -> None:
    train((smoke_recipe if quick else mini_recipe)("resnet18"), run_dir / "teacher")
    taught, state = load_run(run_dir / "teacher")
    student = ce.create_model("resnet18", width=0.25, num_classes=taught.train.num_classes, input_size=48)
    task = dataclasses.replace(
        taught,
        name="student",
        model=student,
        objective=distilled(student, taught.model),
        frozen=state.variables(),
        optimizer=optax.adamw(optax.cosine_decay_schedule(4e-3, taught.steps)),
        config=None,
    )
    print(summary(fit(task, run_dir / "student")))


if __name__ == "__main__":
    tyro.cli(main)
