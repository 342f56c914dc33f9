"""The model card: what a ``.tflite`` file is, kept in a small zip tail of the file itself.

TFLite reads the flatbuffer from the front and ignores the tail; ``zipfile`` reads the tail from the back. So users
copy one file.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from dataclasses import asdict, dataclass, field, fields
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facewire_edge.errors import FacewireError, ModelCardError, ModelError
from facewire_edge.files import write_bytes
from facewire_edge.schema import LandmarkSchema, schema_from_dict

FORMAT = 1
MEMBER = "facewire.json"
KINDS = ("landmarks", "detector")
# What each kind must have; a landmark model may also have "uncertainty".
OUTPUTS = {"landmarks": ("landmarks", "presence"), "detector": ("scores", "boxes", "points")}
# The network eats [-1, 1]; its uint8 coding: (0 - 127) / 127.5 = -0.996, (255 - 127) / 127.5 = 1.004.
INPUT_SCALE, INPUT_ZERO_POINT = 1 / 127.5, 127
# What zipfile raises on a damaged tail: flipped bits look like seeks before the file, encryption or unknown methods.
DAMAGED = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, EOFError, RuntimeError)


@dataclass(frozen=True, slots=True)
class InputSpec:
    """Say how the one input tensor (1, height, width, 3) uint8 RGB is coded."""

    width: int
    height: int
    scale: float = INPUT_SCALE
    zero_point: int = INPUT_ZERO_POINT


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """Name the tensor of an output; TFLite's order is not Keras's, so position means nothing."""

    tensor: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DetectorSpec:
    """Say how a detector's rows are laid out: all cells of the first stride, row by row, then of the next.

    A row codes a face relative to its cell's centre and the level's reference size ``r`` in input pixels:
    box = (dx / r, dy / r, log(w / r), log(h / r)), point = (dx / r, dy / r); score = logit.
    """

    strides: tuple[int, ...]
    reference_px: tuple[float, ...]
    box_convention: str = "forehead to chin, ear to ear"


@dataclass(frozen=True, slots=True, eq=False)
class ModelCard:
    """Hold all that the device must know about a model file."""

    kind: str  # "landmarks" or "detector"
    name: str
    input: InputSpec
    outputs: dict[str, OutputSpec]
    schema: LandmarkSchema | None = None
    mean_shape: NDArray[np.float32] | None = None  # (N, 2) crop units; landmarks = mean_shape + output
    mean_points5: NDArray[np.float32] | None = None  # (5, 2) crop units
    margin: float = 1.25  # side of the crop over the longer side of the tight landmark box
    detector: DetectorSpec | None = None
    min_score: float = 0.5  # recommended threshold of a detector
    min_presence: float = 0.5  # recommended threshold of a landmark model
    sha256: str = ""  # of the flatbuffer
    float_sha256: str = ""  # of the float parent
    metrics: dict[str, Any] = field(default_factory=dict)
    data: tuple[dict[str, str], ...] = ()  # name and terms of each training set
    terms: str = ""
    version: str = ""  # of facewire
    format: int = FORMAT

    @property
    def title(self) -> str:
        """Give the name and the first digits of the hash, as messages carry it; of a float model its own file's."""
        return f"{self.name}@{(self.sha256 or self.float_sha256)[:6]}"


def read_card(path: Path) -> tuple[ModelCard, bytes]:
    """Read a model file; give its card and its flatbuffer, checked against the card's hash.

    Raises:
        ModelError: the file is missing or is no TFLite flatbuffer.
        ModelCardError: no card, an unknown format, a card with wrong values, or a hash that does not match.

    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"cannot read model {path}: {error.strerror}; expected a .tflite made by `make convert`"
        ) from error
    if data[4:8] != b"TFL3":
        raise ModelError(f"{path} is no TFLite model: expected the identifier TFL3, got {data[4:8]!r}")
    text, length = _tail(path, data)
    card = card_from_json(text, str(path))
    digest = hashlib.sha256(data[:length]).hexdigest()
    if digest != card.sha256:
        raise ModelCardError(
            f"{path}: the card is of another model: expected sha256 {card.sha256[:12]}, got {digest[:12]}; "
            "copy the file again"
        )
    return card, data[:length]


def attach_card(flatbuffer: bytes, card: ModelCard, path: Path) -> ModelCard:
    """Write ``flatbuffer`` with ``card`` behind it to ``path``, atomically; give the card with its hash filled in."""
    values = {f.name: getattr(card, f.name) for f in fields(ModelCard)}
    card = ModelCard(**{**values, "sha256": hashlib.sha256(flatbuffer).hexdigest()})
    buffer = io.BytesIO(flatbuffer)
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as tail:
        # A fixed date: the same model gives the same file.
        tail.writestr(zipfile.ZipInfo(MEMBER, (1980, 1, 1, 0, 0, 0)), card_to_json(card), zipfile.ZIP_DEFLATED)
    write_bytes(path, buffer.getvalue())
    return card


def card_to_json(card: ModelCard) -> str:
    """Give the card as JSON text."""
    values: dict[str, Any] = {f.name: getattr(card, f.name) for f in fields(ModelCard)}
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            values[name] = np.round(value.astype(float), 6).tolist()
    values["input"] = asdict(card.input)
    values["outputs"] = {name: asdict(spec) for name, spec in card.outputs.items()}
    values["schema"] = None if card.schema is None else card.schema.to_dict()
    values["detector"] = None if card.detector is None else asdict(card.detector)
    return json.dumps(values, indent=1)


def card_from_json(text: str, where: str) -> ModelCard:
    """Build a card from JSON text and check it for itself.

    Raises:
        ModelCardError: see :func:`read_card`.

    """
    try:
        values = json.loads(text)
        found = values.get("format")
        if found != FORMAT:
            raise ModelCardError(f"{where}: card format {found!r}, expected {FORMAT}; update facewire or convert again")
        return _checked(_typed(values), where)
    except ModelCardError:
        raise
    except (FacewireError, ValueError, TypeError, KeyError, AttributeError, ArithmeticError, RecursionError) as error:
        raise ModelCardError(f"{where}: the card is not valid ({error}); convert the model again") from error


def _tail(path: Path, data: bytes) -> tuple[str, int]:
    """Give the card's text and the length of the flatbuffer before it."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as tail:
            return tail.read(MEMBER).decode(), min(info.header_offset for info in tail.infolist())
    except DAMAGED as error:
        raise ModelCardError(
            f"{path} has no facewire card (cut off, damaged or foreign); copy it again or run `make convert`"
        ) from error


def _array(values: Any, columns: int = 2) -> NDArray[np.float32] | None:
    if values is None:
        return None
    with np.errstate(over="ignore"):  # becomes infinite, and is refused below
        array = np.asarray(values, dtype=np.float32)
    if array.ndim != 2 or array.shape[1] != columns or not np.isfinite(array).all():
        raise ValueError(f"expected finite rows of {columns}, got shape {array.shape}")
    return array


def _input(width: int, height: int, scale: float, zero_point: int) -> InputSpec:
    if min(width, height) < 1 or not 0 < scale < inf:
        raise ValueError(f"expected an input of at least 1x1 and a scale above 0, got {width}x{height} and {scale}")
    return InputSpec(int(width), int(height), float(scale), int(zero_point))


def _typed(values: dict[str, Any]) -> ModelCard:
    known = {f.name for f in fields(ModelCard)}
    values = {name: value for name, value in values.items() if name in known}
    values["input"] = _input(**values["input"])
    values["outputs"] = {k: OutputSpec(str(v["tensor"]), tuple(v["shape"])) for k, v in values["outputs"].items()}
    values["schema"] = None if values.get("schema") is None else schema_from_dict(values["schema"])
    values["mean_shape"] = _array(values.get("mean_shape"))
    values["mean_points5"] = _array(values.get("mean_points5"))
    for name in {"kind", "name", "sha256", "float_sha256", "terms", "version"} & values.keys():
        if not isinstance(values[name], str):
            raise TypeError(f"expected {name} to be text, got {values[name]!r}")
    values["data"] = tuple({str(k): str(v) for k, v in source.items()} for source in values.get("data", ()))
    for name in {"margin", "min_score", "min_presence"} & values.keys():
        values[name] = float(values[name])
    if values.get("detector") is not None:
        spec = values["detector"]
        values["detector"] = DetectorSpec(tuple(spec["strides"]), tuple(spec["reference_px"]), spec["box_convention"])
    return ModelCard(**values)


def _checked(card: ModelCard, where: str) -> ModelCard:
    if card.kind not in KINDS:
        raise ModelCardError(f"{where}: unknown kind {card.kind!r}, expected one of {', '.join(KINDS)}")
    missing = [name for name in OUTPUTS[card.kind] if name not in card.outputs]
    if missing:
        raise ModelCardError(f"{where}: the card names no output {missing[0]!r}; convert the model again")
    expected = expected_shapes(card, where)
    for name, shape in expected.items():
        if card.outputs[name].shape != shape:
            raise ModelCardError(
                f"{where}: output {name!r} has shape {card.outputs[name].shape} in the card, expected {shape}"
            )
    return card


def require_uncertainty(card: ModelCard, path: str) -> None:
    """Refuse a landmark model that does not tell how far off it expects its points to be.

    Raises:
        ModelError: it does not.

    """
    if "uncertainty" not in card.outputs:
        raise ModelError(
            f"{path} tells no uncertainty; drop --uncertainty, or train with model.uncertainty = true and convert "
            "without --no-uncertainty"
        )


def expected_shapes(card: ModelCard, where: str) -> dict[str, tuple[int, ...]]:
    """Give the shape that each output must have by the rest of the card.

    Raises:
        ModelCardError: schema, shapes or strides are missing or contradict each other.

    """
    if card.kind == "detector":
        if card.detector is None or len(card.detector.strides) != len(card.detector.reference_px):
            raise ModelCardError(f"{where}: a detector's card needs as many strides as reference sizes")
        cells = sum(-(-card.input.height // s) * -(-card.input.width // s) for s in card.detector.strides)
        return {"scores": (1, cells, 1), "boxes": (1, cells, 4), "points": (1, cells, 10)}
    if card.schema is None or card.mean_shape is None or card.mean_points5 is None:
        raise ModelCardError(f"{where}: a landmark model's card needs schema, mean_shape and mean_points5")
    if card.mean_shape.shape != (card.schema.n, 2) or card.mean_points5.shape != (5, 2):
        raise ModelCardError(
            f"{where}: mean_shape {card.mean_shape.shape} does not fit the {card.schema.n} points of {card.schema.name}"
        )
    optional = {"uncertainty": (1, card.schema.n)} if "uncertainty" in card.outputs else {}
    return {"landmarks": (1, 2 * card.schema.n), "presence": (1, 1), **optional}
