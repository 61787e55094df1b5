#!/bin/sh
# Install Debian's Chromium for the tests of the page, or say why not.
set -eu

if ! command -v apt-get >/dev/null; then
    echo "test-web: needs chromium, and there is no apt-get here to install it; install Chromium by hand" >&2
    exit 1
elif [ "$(id -u)" -eq 0 ]; then
    as_root=
elif command -v sudo >/dev/null; then
    as_root="sudo -n"
else
    echo "test-web: needs chromium, and installing it needs root; as root: apt-get install chromium" >&2
    exit 1
fi
export DEBIAN_FRONTEND=noninteractive
echo "test-web: installing chromium"
if ! { $as_root apt-get update -qq && $as_root apt-get install -y -qq --no-install-recommends chromium; } >/dev/null; then
    echo "test-web: apt-get could not install chromium; see above" >&2
    exit 1
fi
