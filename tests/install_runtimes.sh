#!/bin/sh
# Put what the examples of an exported folder need into build/runtimes: onnxruntime-web by npm, and for C++ the
# library of the installed onnxruntime beside headers of Debian's libonnxruntime-dev. Say what is not to be had.
set -eu

cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
place=build/runtimes
mkdir -p $place

if command -v npm >/dev/null; then
    npm install --silent --no-fund --no-audit --ignore-scripts --prefix $place onnxruntime-web
else
    echo "runtimes: no npm, so the JavaScript example is not tested; install Node.js" >&2
fi

headers=
for folder in "${ONNXRUNTIME:-}/include" /usr/include/onnxruntime /usr/include/onnxruntime/core/session /usr/local/include; do
    [ -f "$folder/onnxruntime_cxx_api.h" ] && headers=$folder && break
done
if [ -z "$headers" ] && command -v apt-get >/dev/null && [ "$(id -u)" -eq 0 ]; then
    apt-get update -qq && apt-get install -y -qq --no-install-recommends libonnxruntime-dev >/dev/null 2>&1 || true
    headers=$(find /usr/include -name onnxruntime_cxx_api.h -printf '%h\n' -quit)
fi
library=$($python -c 'import onnxruntime, pathlib; print(next(pathlib.Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so.*"), ""))')
if [ -n "$headers" ] && [ -n "$library" ]; then
    mkdir -p $place/onnxruntime/lib
    ln -sfn "$headers" $place/onnxruntime/include
    ln -sf "$library" $place/onnxruntime/lib/libonnxruntime.so.1
    ln -sf libonnxruntime.so.1 $place/onnxruntime/lib/libonnxruntime.so
elif [ ! -d $place/onnxruntime ]; then
    echo "runtimes: no headers of ONNX Runtime, so the C++ example is not tested; unpack a release of it and name the" \
        "folder: ONNXRUNTIME=FOLDER sh tests/install_runtimes.sh" >&2
fi
