"""The verb ``bench``: what each stage of the loop costs on this machine."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from contextlib import closing, redirect_stdout
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from facewire_edge.addresses import hide_password
from facewire_edge.config import EdgeConfig, check
from facewire_edge.errors import DataError, FacewireError
from facewire_edge.interpreter import find_runtime
from facewire_edge.machine import device_name, temperature_c, throttling
from facewire_edge.pipeline import Stats, loop, open_input, open_tracker
from facewire_edge.publish import StdoutSink

WARM_UP = 20  # frames: the runtime's first inferences allocate
SETTINGS = ("input", "model", "detector", "threads", "device")
STAGES = ("capture", "detect", "crop", "landmarks", "publish", "total")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--input", default="replay", help="a file, a folder or `replay`, the packaged clip")
    parser.add_argument("--frames", type=int, default=200, help="at most; the warm-up is not counted")
    parser.add_argument("--model", default=EdgeConfig().model)
    parser.add_argument("--detector", default=EdgeConfig().detector)
    parser.add_argument("--threads", type=int, default=EdgeConfig().threads)
    parser.add_argument("--device", default=EdgeConfig().device, help="cpu, usb, usb:N, pci or pci:N")


def run(arguments: argparse.Namespace) -> None:
    """Run the real loop into a sink that prints to nowhere, and print its costs."""
    config = check(replace(EdgeConfig(), **{name: getattr(arguments, name) for name in (*SETTINGS, "frames")}))
    report = measure(config, arguments.frames)
    print(json.dumps(report, indent=1) if arguments.json else _text(report))


def measure(config: EdgeConfig, frames: int) -> dict[str, Any]:
    """Give median and 95th percentile of each stage in milliseconds, and what the process used.

    Raises:
        DataError: the input ends in the warm-up.

    """
    before_c = temperature_c()
    tracker, origin = open_tracker(config)
    with closing(open_input(config)) as camera, Path("/dev/null").open("w") as nowhere, redirect_stdout(nowhere):
        loop(camera, tracker, [StdoutSink()], origin, WARM_UP)
        start, cpu = time.perf_counter(), time.process_time()
        stats = loop(camera, tracker, [StdoutSink()], origin, frames)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    if not stats.frames:
        raise DataError(
            f"{hide_password(config.input)} ends within the {WARM_UP} frames of the warm-up; give more frames"
        )
    after_c, first_message_s = temperature_c(), _first_message_s(config)
    return {
        "device": device_name(),
        "cores": os.cpu_count(),
        "date": datetime.now(UTC).date().isoformat(),
        "versions": versions(),
        "models": {"landmarks": origin.model, "run_on": origin.device},
        "input": hide_password(config.input),
        "frames": stats.frames,
        "faces": stats.faces,
        "frames_per_s": round(stats.frames / seconds, 1),
        "cpu_ms_per_frame": round(1000 * cpu / stats.frames, 3),
        "cpu_percent": round(100 * cpu / seconds, 1),
        "resident_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "first_message_s": round(first_message_s, 3),
        "temperature_c": {"before": before_c, "after": after_c},
        "throttling": throttling(),
        "ms": _stages(stats),
    }


def _first_message_s(config: EdgeConfig) -> float:
    """Start the loop as a user does; give the time until its first line."""
    flags = [part for name in SETTINGS for part in (f"--{name}", str(getattr(config, name)))]
    command = [sys.executable, "-m", "facewire_edge", "--log-level", "error", "run", *flags, "--frames", "1"]
    path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path}
    start = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.perf_counter() - start
    if not line:
        again = " ".join(hide_password(part) for part in command)
        raise FacewireError(f"the loop ends with {process.wait()} and gives no message; run: {again}")
    return seconds


def _stages(stats: Stats) -> dict[str, dict[str, float]]:
    """Give the figures of each stage over the frames in which it ran."""
    table = {}
    for name in STAGES:
        values = [v for v in stats.ms.get(name, []) if v > 0]
        if values:
            median, p95 = np.percentile(values, [50, 95])
            table[name] = {"median": round(float(median), 3), "p95": round(float(p95), 3), "runs": len(values)}
    return table


def versions() -> dict[str, str]:
    """Give the versions of what takes part."""
    found = {"python": platform.python_version(), "numpy": np.__version__, "platform": sys.platform}
    runtime = find_runtime()[0]
    for package in ("facewire", "opencv-python-headless", runtime):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "?"
    return found


def _heat(report: dict[str, Any]) -> str:
    before, after = report["temperature_c"]["before"], report["temperature_c"]["after"]
    warmth = "no thermometer" if before is None else f"{before:.0f} to {after:.0f} C"
    held_back = report["throttling"]
    return warmth if held_back is None else f"{warmth}, throttling: {', '.join(held_back) or 'none'}"


def _text(report: dict[str, Any]) -> str:
    lines = [
        f"{report['device']}, {report['date']}, " + ", ".join(f"{k} {v}" for k, v in report["versions"].items()),
        f"{report['input']}: {report['frames']} frames, {report['faces']} faces, {report['frames_per_s']} frames/s, "
        f"{report['cpu_ms_per_frame']} ms of CPU a frame, {report['resident_mb']} MB resident at most",
        f"first message after {report['first_message_s']} s, on {report['models']['run_on']}, {_heat(report)}",
        f"{'stage':10s} {'median ms':>10s} {'p95 ms':>10s} {'runs':>6s}",
    ]
    for name, row in report["ms"].items():
        lines.append(f"{name:10s} {row['median']:10.3f} {row['p95']:10.3f} {row['runs']:6d}")
    return "\n".join(lines)
