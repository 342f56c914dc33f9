"""Find OpenCV, or say why it cannot be used."""

from __future__ import annotations

from importlib import import_module

from facewire_edge.errors import RuntimeMissingError

INSTALL_OPENCV = "pip install opencv-python-headless"


def require_opencv() -> str:
    """Give OpenCV's version.

    Raises:
        RuntimeMissingError: it cannot be imported; the message says why.

    """
    try:
        return str(import_module("cv2").__version__)
    except (ImportError, AttributeError) as error:  # AttributeError: a broken install leaves an empty package
        what = "OpenCV cannot be imported"
        raise RuntimeMissingError(f"{what}: {str(error).splitlines()[0]}; run: {INSTALL_OPENCV}") from error
