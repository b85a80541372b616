#!/bin/sh
# Builds the guests and runs their tests. ASC may name the compiler; otherwise that of the SDK's folder is used (`npm
# ci` there).
set -e
cd "$(dirname "$0")/.."
sdk=$PWD/../../guest-sdk/assemblyscript
asc="${ASC:-node $sdk/node_modules/assemblyscript/bin/asc.js}"
build=$(mktemp -d)
trap 'rm -r "$build"' EXIT
ln -s "$sdk" "$build/wisted-assemblyscript"
for guest in echo chat pages kingslayer; do
    (cd $guest && $asc --config asconfig.json --path "$build" --transform "$sdk/transform.mjs" \
        -o "$build/$guest.core.wasm")
done
GUESTS="$build" node --test tests/
