import subprocess
import sys

PROBE = """
import sys
before = set(sys.modules)
import facewire_edge, facewire_edge.geometry, facewire_edge.card, facewire_edge.message, facewire_edge.interpreter
new = {name.partition('.')[0] for name in set(sys.modules) - before}
new = {name for name in new if "cython" not in name}  # NumPy 1.26's own
print(*sorted(new - set(sys.stdlib_module_names)))
"""


def test_contract_loads_only_the_standard_library_and_numpy() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"facewire_edge", "numpy"}


def test_the_running_loop_needs_neither_tensorflow_nor_training() -> None:
    code = "import sys, facewire_edge.__main__, facewire_edge.pipeline; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"tensorflow", "keras", "facewire_train", "facewire_convert", "matplotlib", "picamera2"}
    assert not loaded & {"aiohttp", "paho", "pythonosc", "prometheus_client"}  # of sinks that nobody asked for
