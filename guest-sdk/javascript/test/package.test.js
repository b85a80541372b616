// The package as a whole: every export has its types, and nothing else has.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as wisted from "wisted";
import * as testing from "wisted/testing";

for (const [name, module] of Object.entries({ index: wisted, testing })) {
  test(`the types of ${name} name what it exports`, () => {
    const types = readFileSync(new URL(`../src/${name}.d.ts`, import.meta.url), "utf8");
    const named = (pattern) => [...types.matchAll(pattern)].map(([, name]) => name);
    const declared = named(/^export (?:abstract )?(?:class|function|const) (\w+)/gm);
    const reexported = named(/^export \{ (\w+) \}/gm);
    assert.deepEqual([...new Set([...declared, ...reexported])].sort(), Object.keys(module).sort());
  });
}
