"""Keep a float model and its card in one ``.keras`` file, and a run's whole state in one ``.npz`` file."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from facewire_edge.card import MEMBER, ModelCard, card_from_json, card_to_json
from facewire_edge.errors import ModelCardError, ModelError
from facewire_edge.files import replacing

from facewire_train.norm import BatchNorm

_OURS = {BatchNorm.__name__: BatchNorm}  # Keras asks for the layers that are not its own


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """Hold a float model: (B, H, W, 3) float32 in [-1, 1] -> outputs by name."""

    model: Any  # keras.Model
    card: ModelCard
    path: Path

    def sha256(self) -> str:
        """Give the hash of the file."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def save_checkpoint(model: Any, card: ModelCard, path: Path) -> None:
    """Write a model for inference (no optimizer) with its card as one more member of the ``.keras`` zip."""
    with replacing(path) as temporary:
        model.save(temporary, include_optimizer=False)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(zipfile.ZipInfo(MEMBER, (1980, 1, 1, 0, 0, 0)), card_to_json(card))


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a ``.keras`` file of ours.

    Raises:
        ModelError: the file is missing, cut off or no Keras model.
        ModelCardError: it has no facewire card.

    """
    try:
        with zipfile.ZipFile(path) as archive:
            card = card_from_json(archive.read(MEMBER).decode(), str(path))
        return Checkpoint(keras.saving.load_model(path, _OURS, compile=False), card, path)
    except FileNotFoundError as error:
        raise ModelError(f"no checkpoint {path}; expected a .keras file made by `make train`") from error
    except KeyError as error:
        raise ModelCardError(f"{path} has no facewire card; expected a .keras file made by `make train`") from error
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        if isinstance(error, ModelError):
            raise
        raise ModelError(f"{path} is no Keras model of ours ({error}); run `make train` again") from error


def save_state(path: Path, groups: dict[str, Sequence[Any]], epoch: int) -> None:
    """Write variables, group by group in order, and the number of finished epochs, atomically."""
    arrays: dict[str, Any] = {
        f"{g}{i}": np.asarray(keras.ops.convert_to_numpy(v)) for g, vs in groups.items() for i, v in enumerate(vs)
    }
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, epoch=np.int64(epoch), **arrays)


def saved_epoch(path: Path) -> int:
    """Give the number of finished epochs of a saved state, 0 where there is none.

    Raises:
        ModelError: the file is broken.

    """
    try:
        with np.load(path) as state:
            return int(state["epoch"])
    except FileNotFoundError:
        return 0
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise _cannot_resume(path, error) from error


def load_state(path: Path, groups: dict[str, Sequence[Any]]) -> None:
    """Put saved values back into the variables.

    Raises:
        ModelError: the file is broken or belongs to another network.

    """
    try:
        with np.load(path) as state:
            for group, variables in groups.items():
                for i, variable in enumerate(variables):
                    variable.assign(state[f"{group}{i}"])
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise _cannot_resume(path, error) from error


def _cannot_resume(path: Path, error: Exception) -> ModelError:
    return ModelError(f"cannot resume from {path} ({error}); delete it to start the run anew")
