#!/bin/sh
# Runs the unit tests with the Zig that this project is built with: the one on the PATH, or what `wisted build`
# installs.
set -e
cd "$(dirname "$0")"
version=0.17.1
if [ "$(zig version 2>/dev/null)" = "$version" ]; then
    exec zig build test
fi
tools="${WISTED_TOOLCHAINS:-.wisted}"
installed() {
    for python in "$tools"/zig-*/venv/bin/python; do
        if [ "$("$python" -m ziglang version 2>/dev/null)" = "$version" ]; then
            echo "$python"
            return
        fi
    done
}
python=$(installed)
if [ -z "$python" ]; then
    wisted build . >/dev/null
    python=$(installed)
fi
exec "$python" -m ziglang build test
