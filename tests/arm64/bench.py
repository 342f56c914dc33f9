"""Count the instructions that the loop needs for a frame on an emulated Pi 4 and Pi 5: python bench.py [--json].

Boots the trixie root of ``root.sh`` with qemu's ``-icount shift=0``: the emulated clock then advances 1 ns an
instruction, so the loop's own times are counts, nearly the same at every run and on every host. They know nothing of
caches, memory or a core's width: good for a ratio between two versions, not for a time.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
CORES = {"cortex-a72": "Cortex-A72 (Pi 4)", "cortex-a76": "Cortex-A76 (Pi 5)"}  # without and with int8 dot products
FRAMES = 40  # four turns of the detector
LEFT_OUT = ("boot", "var", "usr/share", "usr/lib/modules")  # of the root
MEMORY = "3G"  # the root lies in it, twice while it is unpacked
LIMIT_S = 1800  # an emulated start and count takes two minutes on one idle core
INIT = """#!/bin/sh
mkdir -p /proc /sys /dev /tmp
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
PYTHONPATH=/opt/wheel:/opt/site python3 /opt/count.py {frames} 2>&1
echo b > /proc/sysrq-trigger
"""


class BenchError(Exception):
    """Report what keeps the count from being made."""


def main() -> int:
    """Print the counts; give the exit code."""
    parser = argparse.ArgumentParser(description="count the loop's instructions a frame on an emulated Pi")
    parser.add_argument("--json", action="store_true", help="the counts as JSON")
    parser.add_argument("--frames", type=int, default=FRAMES, help="of the packaged clip (%(default)s)")
    arguments = parser.parse_args()
    try:
        counts = count(Path(os.environ.get("ARM64", ".arm64")), arguments.frames)
    except BenchError as error:
        print(f"bench-arm: {error}", file=sys.stderr)
        return 3
    print(json.dumps(counts, indent=1) if arguments.json else text(counts))
    return 0


def count(home: Path, frames: int) -> dict[str, dict[str, float]]:
    """Give million instructions a frame by core and stage.

    Raises:
        BenchError: a program is missing, or the emulated Pi gave no count.

    """
    for program, package in (("qemu-system-aarch64", "qemu-system-arm"), ("cpio", "cpio")):
        if shutil.which(program) is None:
            raise BenchError(f"no {program}; run: sudo apt install {package}")
    warm = ["python3", "/src/tests/arm64/count.py", "1"]  # leaves bytecode, which the slower emulator need not make
    if subprocess.run(["sh", str(HERE / "root.sh"), "trixie", *warm], stdout=subprocess.DEVNULL).returncode:
        raise BenchError("no arm64 root to boot; see above")
    kernel = next((home / "trixie/boot").glob("vmlinuz-*"))
    with tempfile.TemporaryDirectory(dir=home) as folder:
        image = Path(folder, "initrd")
        pack(home / "trixie", frames, image)
        return {core: emulate(core, kernel, image) for core in CORES}


def pack(root: Path, frames: int, image: Path) -> None:
    """Write the root's programs and the count as what the kernel starts from: two archives, one after the other."""
    overlay = image.parent / "overlay"
    (overlay / "opt").mkdir(parents=True)
    shutil.copy(HERE / "count.py", overlay / "opt")
    (overlay / "init").write_text(INIT.format(frames=frames))
    (overlay / "init").chmod(0o755)
    left_out = " -o ".join(f"-path ./{name}" for name in LEFT_OUT)
    script = f"find . \\( {left_out} \\) -prune -o -print0 | cpio --null --create --format=newc --quiet"
    with image.open("wb") as file:
        for folder in (root, overlay):
            subprocess.run(["sh", "-c", script], cwd=folder, stdout=file, check=True)


def emulate(core: str, kernel: Path, image: Path) -> dict[str, float]:
    """Start the emulated Pi; give what it counted."""
    machine = ["-M", "virt", "-cpu", core, "-m", MEMORY, "-nic", "none", "-nographic", "-no-reboot"]
    clock = ["-icount", "shift=0,sleep=off"]
    boot = ["-kernel", str(kernel), "-initrd", str(image), "-append", "console=ttyAMA0 rdinit=/init quiet panic=-1"]
    command = ["qemu-system-aarch64", *machine, *clock, *boot]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"the emulated {core} was not done after {LIMIT_S} s") from error
    found = re.search(r"^RESULT (\{.*\})", done.stdout, re.MULTILINE)
    if found is None:
        lines = ["nothing", *(done.stdout + done.stderr).splitlines()]
        reason = next((line for line in lines if re.search("panic|Error", line)), lines[-1])
        raise BenchError(f"the emulated {core} gave no count: {reason.strip()}")
    counts: dict[str, float] = json.loads(found[1])
    return counts


def text(counts: dict[str, dict[str, float]]) -> str:
    """Give the counts as a table."""
    rows = [["million instructions a frame", *CORES.values()]]
    rows += [[name, *(f"{column[name]:.2f}" for column in counts.values())] for name in counts["cortex-a72"]]
    shares = [100 * (c["detect: model"] + c["landmarks: model"]) / c["whole loop"] for c in counts.values()]
    rows.append(["the models' share", *(f"{share:.0f} %" for share in shares)])
    return "\n".join(f"{name:30s}" + "".join(f"{cell:>20s}" for cell in cells) for name, *cells in rows)


if __name__ == "__main__":
    sys.exit(main())
