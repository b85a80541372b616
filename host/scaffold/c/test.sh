#!/bin/sh
# Builds and runs the unit tests natively, with your C compiler and with your CMake or the one that `wisted build` installs.
set -e
cd "$(dirname "$0")"
if ! command -v cmake >/dev/null; then
    wisted build . >/dev/null
    for tools in "${WISTED_TOOLCHAINS:-.wisted}"/cmake-*/venv/bin; do
        PATH="$(cd "$tools" && pwd):$PATH"
    done
    export CMAKE_GENERATOR="${CMAKE_GENERATOR:-Ninja}"
fi
cmake -B build >/dev/null
cmake --build build
ctest --test-dir build --output-on-failure
