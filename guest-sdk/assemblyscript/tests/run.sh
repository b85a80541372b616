#!/bin/sh
# Builds the guests of the package's tests and runs them. ASC may name the compiler; otherwise `npm ci` has installed
# it.
set -e
cd "$(dirname "$0")/.."
asc="${ASC:-node node_modules/assemblyscript/bin/asc.js}"
build=$(mktemp -d)
trap 'rm -r "$build"' EXIT
$asc tests/framing.ts -o "$build/framing.wasm"
$asc tests/obedient.ts -o "$build/obedient.wasm" --transform ./transform.mjs --use abort=assembly/abort/wistedAbort
FRAMING="$build/framing.wasm" OBEDIENT="$build/obedient.wasm" node --test tests/
