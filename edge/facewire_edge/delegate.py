"""Hand a model's operations to an Edge TPU, through the delegate of the TFLite runtime."""

from __future__ import annotations

import ctypes
import re
from importlib import import_module
from typing import Any

from facewire_edge.errors import HardwareError, ModelError, UsageError

LIBRARY = "libedgetpu.so.1"
LOADERS = {  # runtime -> module, attribute
    "ai-edge-litert": ("ai_edge_litert.interpreter", "load_delegate"),
    "tflite-runtime": ("tflite_runtime.interpreter", "load_delegate"),
    "tensorflow": ("tensorflow", "lite.experimental.load_delegate"),
}
COMPILED = b"edgetpu-custom-op"  # the one operation into which edgetpu_compiler puts what it maps
CPU = "cpu"


def check_device(device: str) -> None:
    """Refuse a ``--device`` that cannot be meant.

    Raises:
        UsageError: it is none of cpu, usb, usb:N, pci, pci:N.

    """
    if not re.fullmatch(r"cpu|(usb|pci)(:\d+)?", device, re.ASCII):
        raise UsageError(f"unknown device {device!r}; expected cpu, usb, usb:N, pci or pci:N")


def is_compiled(flatbuffer: bytes) -> bool:
    """Say whether a model was compiled for the Edge TPU."""
    return COMPILED in flatbuffer


def require_compiled(path: str, compiled: bool) -> None:
    """Refuse a model that would run on the CPU although the device is required.

    Raises:
        ModelError: it is not compiled for the Edge TPU.

    """
    if not compiled:
        what = f"{path} is not compiled for the Edge TPU, which is required"
        raise ModelError(f"{what}; run: facewire-convert compile")


def load_edgetpu(device: str, runtime: str) -> Any:
    """Give the delegate of an Edge TPU.

    Args:
        device: usb, usb:N, pci or pci:N.
        runtime: the name of the TFLite runtime that will use it.

    Raises:
        HardwareError: the library or the device is missing.

    """
    try:
        ctypes.CDLL(LIBRARY)  # the runtimes' own loader prints a traceback where it is missing
    except OSError as error:
        raise HardwareError(f"no Edge TPU library ({error}); install libedgetpu1-std, see edge/README.md") from error
    module, attribute = LOADERS[runtime]
    loader = import_module(module)
    for name in attribute.split("."):
        loader = getattr(loader, name)
    try:
        return loader(LIBRARY, {"device": device})  # type: ignore[operator]  # a function by now
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise HardwareError(
            f"no Edge TPU answers as {device} ({reason}); plug it in, and see `lsusb` (1a6e:089a or 18d1:9302) and "
            "the group plugdev"
        ) from error
