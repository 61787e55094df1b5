#!/usr/bin/env bash
# Compare a CUDA device with the CPU, time it, and print a table: about 4 minutes.
#   benchmarks/gpu.sh [DEVICE] [OUT.json]        (DEVICE: cuda by default; cpu to try the script)
set -euo pipefail
cd "$(dirname "$0")/.."
device=${1:-cuda} out=${2:-gpu-speed.json} python=${PYTHON:-python3}
export PYTHONPATH="src${PYTHONPATH:+:$PYTHONPATH}"
"$python" benchmarks/same_results.py "$device"
"$python" benchmarks/speed/speed.py weight-step architecture-step training-step search data restore restore-large \
    --device "$device" --rounds "${ROUNDS:-5}" --width "${WIDTH:-32}" -o "$out"
"$python" benchmarks/speed/speed.py --table "$out"
for mode in reduce-overhead default; do
    # A cache of its own: a compilation that is cut off leaves half-written files.
    TORCHINDUCTOR_CACHE_DIR=$(mktemp -d) timeout "${COMPILING:-120}" \
        "$python" benchmarks/studies/compiled.py --device "$device" --mode "$mode" --width "${WIDTH:-32}" ||
        echo "torch.compile, mode $mode: failed on $device, or took over ${COMPILING:-120} s" >&2
done
