#!/usr/bin/env bash
# A CUDA device: does it give the CPU's results, and how fast? One table at the end; under eight minutes.
#   benchmarks/gpu.sh [DEVICE] [OUT.json]        (DEVICE: cuda by default; cpu tries the script itself)
set -euo pipefail
cd "$(dirname "$0")/.."
device=${1:-cuda} out=${2:-gpu-speed.json} python=${PYTHON:-python3}
export PYTHONPATH="src${PYTHONPATH:+:$PYTHONPATH}"
"$python" benchmarks/same_results.py "$device"
"$python" benchmarks/speed/speed.py weight-step architecture-step training-step search data restore restore-large \
    --device "$device" --rounds "${ROUNDS:-5}" --width "${WIDTH:-32}" -o "$out"
for mode in default reduce-overhead; do  # does torch.compile pay, or do CUDA graphs?
    "$python" benchmarks/studies/compiled.py --device "$device" --mode "$mode" --width "${WIDTH:-32}" ||
        echo "torch.compile, mode $mode: does not run here" >&2
done
"$python" benchmarks/speed/speed_table.py "$out"
