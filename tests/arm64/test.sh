#!/bin/sh
# Test facewire on emulated arm64, as Bookworm's and Trixie's Pi OS have it: sh tests/arm64/test.sh
#
# Runs the edge tests there, and the loop on the packaged clip, whose messages must be those of this machine (see
# compare.py). The clip is decoded here: other processors' decoders differ by 1 of 255, and that moves points by 0.6 px.
# PYTHON: has facewire here (python3). ARM64, DEBIAN_MIRROR: see root.sh. FRAMES: of the clip (20).
# SUITES, TESTS: fewer.
set -eu

# Emulation is about 60 times slower. Left out: sinks, page, service and live cameras, where the tests' own deadlines
# would be tested; and what needs a model made by TensorFlow, which no board has (interpreter: models has the shipped).
tests=${TESTS:-"card config detect detectors errors files geometry imports machine message models motion openness pipeline pose
schema smooth throttle track"}

here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
mkdir -p "${ARM64:-.arm64}"
ARM64=$(cd "${ARM64:-.arm64}" && pwd)
export ARM64
# shellcheck disable=SC2046,SC2086  # one word a test
set -- $(printf '/src/tests/edge/test_%s.py ' $tests)

raw=$("$python" - "$ARM64/clip.rgb" "${FRAMES:-20}" << 'PY'
import sys
from facewire_edge.camera import open_camera

clip, frames = open_camera("replay"), int(sys.argv[2])
images = [frame.image for frame, _ in zip(iter(clip.read, None), range(frames))]
open(sys.argv[1], "wb").write(b"".join(map(bytes, images)))
print("{1}x{0}@30".format(*images[0].shape))
PY
)
loop="-m facewire_edge --log-level error run --input - --raw $raw"

# shellcheck disable=SC2086  # words
"$python" $loop < "$ARM64/clip.rgb" > "$ARM64/here.jsonl"
for suite in ${SUITES:-bookworm trixie}; do
    point_px=0.5
    [ "$suite" = trixie ] || point_px=1.5 # tflite-runtime rounds int8 otherwise: 1.03 px at most
    echo "== $suite"
    sh "$here/root.sh" "$suite" sh -euc '
        cd /tmp
        python3 -m pytest -c /src/pyproject.toml --rootdir /src -p no:cacheprovider "$@"
        python3 '"$loop"' < /arm64/clip.rgb > /arm64/there.jsonl
    ' tests "$@"
    "$python" "$here/compare.py" "$ARM64/here.jsonl" "$ARM64/there.jsonl" 0.5 $point_px
done
