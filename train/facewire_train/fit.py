"""Train: the loop that both kinds of model share, with checkpoints that lose nothing."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
from facewire_edge.card import ModelCard
from facewire_edge.errors import DataError, UsageError
from facewire_edge.files import write_text
from facewire_edge.settings import to_toml
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from facewire_train.checkpoint import load_checkpoint, load_state, save_checkpoint, save_state, saved_epoch
from facewire_train.config import FitConfig, TrainConfig
from facewire_train.curves import draw_curves
from facewire_train.datasets import Dataset
from facewire_train.fold import folded
from facewire_train.optimizers import make_optimizer
from facewire_train.run_log import write_batch, write_history_csv
from facewire_train.teacher import teacher_digest

log = logging.getLogger(__name__)

CONFIG, RECORD, MODEL, STATE, HISTORY, TABLE, CURVES, BATCH = (
    "config.toml",
    "run.json",
    "model.keras",
    "state.npz",
    "history.json",
    "history.csv",
    "curves.png",
    "broken_batch.npz",
)


Batch = tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]  # images in [-1, 1], targets by output
WORKERS = 2  # threads that make batches
AHEAD = 4  # batches made before they are needed
CURVES_EVERY_S = 30.0  # Matplotlib takes a second for them, a tenth of a short epoch


class Batches(Protocol):
    """Give the batches of one epoch; any of them at any time, from any thread."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Batch: ...


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Hold what differs between kinds of model."""

    network: Callable[[bool], Any]  # with or without batch norms -> keras.Model, untrained
    losses: Mapping[str, Callable[[Any, Any], Any]]  # by output
    weights: Mapping[str, float]
    epoch: Callable[[int], Batches]
    validate: Callable[[Any], dict[str, float]]  # model -> figures
    card: ModelCard


def fingerprint(config: TrainConfig, datasets: Sequence[Dataset], init: Path | None = None) -> str:
    """Give a hash of everything that decides a run's result."""
    parts = [to_toml(config), *(d.fingerprint for d in datasets)]
    if init is not None:
        parts.append(load_checkpoint(init).sha256())
    if config.data.teacher:
        parts.append(teacher_digest())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def run_folder(config: TrainConfig, digest: str, out: Path | None) -> Path:
    """Give the run's folder: ``out``, or ``runs/<name>-<fingerprint>``.

    Raises:
        UsageError: ``out`` already holds another run, or a file is in its way.

    """
    folder = out or Path("runs") / f"{config.name}-{digest[:8]}"
    file = next((place for place in (folder, *folder.parents) if place.exists() and not place.is_dir()), None)
    if file is not None:
        raise UsageError(f"{file} is a file, expected a folder; choose another --out")
    record = read_record(folder)
    if record and record.get("fingerprint") != digest:
        raise UsageError(
            f"{folder} holds another run (configuration or data differ); choose another --out or remove the folder"
        )
    if not record and folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty and holds no run; choose another --out")
    return folder


def read_record(folder: Path) -> dict[str, Any]:
    """Give a run's ``run.json``, empty where there is none."""
    try:
        record: dict[str, Any] = json.loads((folder / RECORD).read_text())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except ValueError as error:
        raise UsageError(f"{folder / RECORD} is broken ({error}); remove the folder to start anew") from error
    return record


def fit(task: Task, config: TrainConfig, folder: Path, record: dict[str, Any]) -> None:
    """Train to the end, resuming from the last finished epoch where there is one; write the run's results."""
    steps = len(task.epoch(0))
    model = compiled(task, config.fit, steps)
    write_text(folder / CONFIG, to_toml(config))
    write_text(folder / RECORD, json.dumps({**record, "finished": False}, indent=1))
    first = saved_epoch(folder / STATE)
    if first:
        load_state(folder / STATE, _groups(model))
        log.info("resuming %s after epoch %d of %d", folder, first, config.fit.epochs)
    history, drawn = _read_history(folder)[:first], -math.inf
    with _progress() as progress:
        bar = progress.add_task(config.name, total=config.fit.epochs * steps, completed=first * steps, note="")
        for epoch in range(first, config.fit.epochs):
            history.append(_run_epoch(task, model, config.fit, epoch, folder, lambda: progress.advance(bar)))
            save_state(folder / STATE, _groups(model), epoch + 1)
            write_text(folder / HISTORY, json.dumps(history, indent=1))
            write_history_csv(history, folder / TABLE)
            if epoch + 1 == config.fit.epochs or time.monotonic() > drawn + CURVES_EVERY_S:
                draw_curves(history, folder / CURVES)
                drawn = time.monotonic()
            progress.update(bar, note=_note(history[-1]))
            log.info("epoch %d/%d %s", epoch + 1, config.fit.epochs, _note(history[-1]))
    with averaged(model):
        figures = task.validate(model)
        save_checkpoint(folded(model, task.network(False)), task.card, folder / MODEL)
    write_text(folder / RECORD, json.dumps({**record, "finished": True, "validation": figures}, indent=1))
    (folder / STATE).unlink(missing_ok=True)


def _groups(model: Any) -> dict[str, Any]:
    return {"model": model.variables, "optimizer": model.optimizer.variables}


def compiled(task: Task, config: FitConfig, steps: int) -> Any:
    """Give the model, with batch norms, and its optimizer: a linear warm-up, a cosine to zero.

    Batch norms take 20 % of a step (186 against 233 images/s at 52 MMAC, two AVX2 cores, TensorFlow 2.21, 2026-11-21)
    and are worth it: folded at 60 of 100 epochs, the landmark model ended at 4.19 % on LFPW, with them to the end and
    fewer images at 4.03 %.
    """
    model = task.network(True)
    schedule = WarmCosine(
        config.learning_rate, warmup=max(1, round(config.warmup_epochs * steps)), total=config.epochs * steps
    )
    # The average is kept inside the train step: read out variable by variable it cost 40 % of the time.
    optimizer = make_optimizer(config.optimizer, schedule, config.weight_decay, ema_momentum=config.average)
    # TensorFlow's XLA is six times slower here (15 against 86 images/s, two AVX2 cores, 2026-11-21); JAX needs it.
    jit = keras.backend.backend() == "jax"
    model.compile(optimizer=optimizer, loss=dict(task.losses), loss_weights=dict(task.weights), jit_compile=jit)
    optimizer.build(model.trainable_variables)
    return model


class WarmCosine(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]  # Keras is not typed
    """Fall from ``peak`` to zero along a cosine over ``total`` steps; rise linearly over the first ``warmup`` steps."""

    def __init__(self, peak: float, warmup: int, total: int) -> None:
        self._peak, self._warmup, self._total = peak, warmup, total

    def __call__(self, step: Any) -> Any:
        """Give the rate of the optimizer's step ``step``."""
        done = keras.ops.cast(step, "float32")
        part = keras.ops.minimum(done / self._total, 1.0)
        rise = keras.ops.minimum((done + 1.0) / self._warmup, 1.0)
        return self._peak * rise * 0.5 * (1.0 + keras.ops.cos(math.pi * part))

    def get_config(self) -> dict[str, Any]:
        """Give the constructor's arguments."""
        return {"peak": self._peak, "warmup": self._warmup, "total": self._total}


@contextmanager
def averaged(model: Any) -> Iterator[None]:
    """Let the model hold the moving average of its weights for the length of a block."""
    weights = [np.array(keras.ops.convert_to_numpy(v)) for v in model.trainable_variables]
    model.optimizer.put_average(model.trainable_variables)
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, weights, strict=True):
            variable.assign(value)


def _run_epoch(
    task: Task, model: Any, config: FitConfig, epoch: int, folder: Path, advance: Callable[[], None]
) -> dict[str, float]:
    # Keras' own loop feeds TensorFlow through a generator data set, which sets malloc's trim threshold to 128 kB:
    # half of the CPU time then goes into page faults (80 against 176 images/s, two cores, 2026-11-21).
    sums: Counter[str] = Counter()
    batches = task.epoch(epoch)
    for step, (images, targets) in enumerate(prefetched(batches)):
        model.reset_metrics()
        row = model.train_on_batch(images, targets, return_dict=True)
        if not math.isfinite(row["loss"]):
            write_batch(images, targets, folder / BATCH)
            raise DataError(
                f"the loss is {row['loss']} at epoch {epoch + 1}, step {step}; lower fit.learning_rate, or check the "
                f"labels of the batch in {folder / BATCH}"
            )
        sums.update(row)
        advance()
    result = {"epoch": epoch + 1, **{name: float(value) / len(batches) for name, value in sums.items()}}
    if (epoch + 1) % config.validate_every == 0 or epoch + 1 == config.epochs:
        with averaged(model):
            result |= task.validate(model)
    return result


def prefetched(batches: Batches) -> Iterator[Batch]:
    """Give an epoch's batches in order, made a few ahead by threads (OpenCV and NumPy release the interpreter)."""
    with ThreadPoolExecutor(WORKERS) as pool:
        waiting = deque(pool.submit(batches.__getitem__, i) for i in range(min(AHEAD, len(batches))))
        for following in range(AHEAD, len(batches) + AHEAD):
            ready = waiting.popleft() if waiting else None
            if ready is None:
                return
            if following < len(batches):
                waiting.append(pool.submit(batches.__getitem__, following))
            yield ready.result()


def _read_history(folder: Path) -> list[dict[str, float]]:
    file = folder / HISTORY
    history: list[dict[str, float]] = json.loads(file.read_text()) if file.is_file() else []
    return history


def _note(row: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in row.items() if name != "epoch")


def _progress() -> Progress:
    from rich.console import Console

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, TextColumn("{task.fields[note]}"), console=Console(stderr=True))


def base_record(
    config: TrainConfig, datasets: Sequence[Dataset], digest: str, init: Path | None = None
) -> dict[str, Any]:
    """Give what a run says of itself before it starts."""
    parent = None if init is None else {"path": str(init), "sha256": load_checkpoint(init).sha256()}
    return {
        "name": config.name,
        "kind": config.kind,
        "fingerprint": digest,
        "facewire": version("facewire"),
        "keras": keras.__version__,
        "backend": keras.backend.backend(),
        "numpy": np.__version__,
        "data": [{"name": d.name, "path": str(d.path), "terms": d.terms} for d in datasets],
        "init": parent,
    }
