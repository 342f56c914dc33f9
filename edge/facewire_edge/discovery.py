"""Introduce a board to Home Assistant.

Source: https://www.home-assistant.io/integrations/mqtt/, "Device discovery payload".
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from typing import Any

HOME_ASSISTANT_STATUS = "homeassistant/status"
EXPIRES_S = 60  # without a state, values are unknown again: a hung loop must not look like an empty room
SENSORS: dict[str, dict[str, Any]] = {  # key of the state: component
    "present": {"p": "binary_sensor", "name": "Face", "device_class": "occupancy"},
    "faces": {"p": "sensor", "name": "Faces", "state_class": "measurement", "icon": "mdi:face-recognition"},
    "yaw": {"p": "sensor", "name": "Yaw", "unit_of_measurement": "°", "state_class": "measurement"},
    "fps": {"p": "sensor", "name": "Frame rate", "unit_of_measurement": "Hz", "device_class": "frequency"},
    "age_ms": {"p": "sensor", "name": "Frame age", "unit_of_measurement": "ms", "device_class": "duration"},
    "dropped": {"p": "sensor", "name": "Dropped frames", "state_class": "total_increasing"},
    "temperature_c": {
        "p": "sensor", "name": "Temperature", "unit_of_measurement": "°C", "device_class": "temperature"
    },
    "state": {"p": "sensor", "name": "State"},
}  # fmt: skip
DIAGNOSTIC = frozenset({"fps", "age_ms", "dropped", "temperature_c", "state"})


def discovery(prefix: str, source: str) -> tuple[str, dict[str, Any]]:
    """Give the topic and the payload that make Home Assistant know this board."""
    device = "facewire_" + re.sub(r"[^a-zA-Z0-9_-]", "_", prefix)
    payload = {
        "dev": {"ids": [device], "name": f"facewire {source}", "mf": "facewire", "mdl": "face landmarks"},
        "o": {"name": "facewire", "sw": _version()},
        "cmps": {key: _component(device, key) for key in SENSORS},
        "state_topic": f"{prefix}/state",
        "availability_topic": f"{prefix}/available",
    }
    return f"homeassistant/device/{device}/config", payload


def _component(device: str, key: str) -> dict[str, Any]:
    component = {
        **SENSORS[key],
        "unique_id": f"{device}_{key}",
        "value_template": f"{{{{ value_json.{key} | default(none) }}}}",
        "expire_after": EXPIRES_S,
    }
    return {**component, "entity_category": "diagnostic"} if key in DIAGNOSTIC else component


def _version() -> str:
    try:
        return version("facewire")
    except PackageNotFoundError:  # a copied folder
        return "unpackaged"
