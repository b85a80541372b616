// Builds one guest: checks its types, bundles it, makes the component. Must not know where the tools come from, nor
// what the guest does.
//
// node build.mjs TOOLS GUEST MAIN COMPONENT: the folder with the tools' node_modules, the guest's folder, its main
// module from there, and the file to write. The contract lies beside this file. It ends with 0, or with 1 if the
// guest's SDK is nowhere, or with 2, 3, 4 if the guest's types, its modules, or the component made of them are not
// sound.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, realpathSync, renameSync } from "node:fs";
import { rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const [tools, guest, main, output] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const require = createRequire(join(tools, "package.json"));
/** What the component at `output` was made of. */
const record = `${output}.inputs.json`;

/** The component's exports, of which the world that is built for has some. */
const EXPORTS =
  "connectionHandler, halfCloseHandler, flowHandler, lifecycleHandler, stateHandler, " +
  "timerHandler, pageHandler, program";
const BUNDLE = "wisted-bundle.js";
const ENTRY = "wisted-entry.js";
const LOADING = "the guest's modules fail while they are loaded, which happens when it is built:";
/** How the SDK says that the guest needs another world than it was built for. */
const WORLD = /wisted: the world is ([a-z-]+)/;

class Unsound extends Error {
  constructor(exitCode, message) {
    super(message);
    this.exitCode = exitCode;
  }
}

try {
  const sdk = findSdk();
  checkTypes(sdk);
  if (!isUpToDate()) {
    const { component, inputs } = await build(sdk);
    write(output, component);
    write(record, JSON.stringify(inputs));
  }
} catch (error) {
  // The tools have said themselves what is wrong, but for componentize-qjs.
  if (!(error instanceof Unsound)) {
    throw error;
  }
  if (error.message !== "") {
    console.error(error.message);
  }
  process.exitCode = error.exitCode;
}

/**
 * Where the SDK is: as npm has installed it, or in the folder of which package.json says `file:`, so that such a guest
 * can be built without npm.
 */
function findSdk() {
  try {
    const main = createRequire(join(guest, "package.json")).resolve("wisted");
    return realpathSync(dirname(dirname(main)));
  } catch {
    const { dependencies, devDependencies } = JSON.parse(readFileSync(join(guest, "package.json"), "utf8"));
    const version = { ...devDependencies, ...dependencies }.wisted;
    const folder = resolve(guest, String(version).replace(/^file:/, ""));
    if (!existsSync(join(folder, "package.json"))) {
      throw new Unsound(1, `the package wisted (${version}) is not there; in ${guest}: npm install`);
    }
    return realpathSync(folder);
  }
}

/** Types are checked where the guest has said how: in tsconfig.json. */
function checkTypes(sdk) {
  const config = join(guest, "tsconfig.json");
  if (!existsSync(config)) {
    return;
  }
  // Of another name than the bundler looks for.
  const extended = join(here, "types.json");
  const types = (name) => [join(sdk, "src", `${name}.d.ts`)];
  const compilerOptions = { noEmit: true, paths: { wisted: types("index"), "wisted/testing": types("testing") } };
  writeFileSync(extended, JSON.stringify({ extends: config, compilerOptions }));
  const tsc = join(dirname(require.resolve("typescript/package.json")), "bin", "tsc");
  const pretty = String(process.stderr.isTTY === true);
  const { status } = spawnSync(process.execPath, [tsc, "--project", extended, "--pretty", pretty], {
    cwd: guest,
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0) {
    throw new Unsound(2, "");
  }
}

/** Whether the component is there and nothing that it was made of has changed since. */
function isUpToDate() {
  try {
    const inputs = JSON.parse(readFileSync(record, "utf8"));
    return existsSync(output) && Object.entries(inputs).every(([path, state]) => stateOf(path) === state);
  } catch {
    return false;
  }
}

/** What tells a changed file. Of what is not there too: a file that appears may be imported instead of another. */
function stateOf(path) {
  const { mtimeMs, size } = statSync(path, { throwIfNoEntry: false }) ?? {};
  return `${mtimeMs} ${size}`;
}

async function build(sdk) {
  const { code, lines, sources } = await bundle(sdk);
  const settings = [join(guest, "package.json"), join(guest, "tsconfig.json"), join(guest, "node_modules"), tools];
  const own = [fileURLToPath(import.meta.url), join(here, "wit", "reactor.wit")];
  const inputs = Object.fromEntries([...sources, ...settings, ...own].map((path) => [path, stateOf(path)]));
  try {
    return { component: await component(code, lines, "protocol"), inputs };
  } catch (error) {
    const [, world] = WORLD.exec(error.message) ?? [];
    if (world === undefined) {
      throw error;
    }
    return { component: await component(code, lines, world), inputs };
  }
}

/** Everything in one module, and where its lines came from. */
async function bundle(sdk) {
  // The bundler looks for packages in folders, and the SDK's may have any name.
  const packages = join(here, "packages");
  rmSync(packages, { recursive: true, force: true });
  mkdirSync(packages);
  symlinkSync(sdk, join(packages, "wisted"), "dir");
  const built = await require("esbuild")
    .build({
      stdin: {
        contents: `import { handlers } from "wisted/guest";
          import * as main from ${JSON.stringify(`./${relative(guest, resolve(guest, main))}`)};
          export const { ${EXPORTS} } = handlers(main.default, globalThis.wistedLines, globalThis.wistedWorld);`,
        resolveDir: guest,
        sourcefile: ENTRY,
      },
      absWorkingDir: guest,
      nodePaths: [packages],
      bundle: true,
      format: "esm",
      target: "esnext",
      // The engine's own promises never go on in a guest, and async functions would use them: those of the SDK do.
      supported: { "async-await": false, "async-generator": false, "for-await": false },
      external: ["wisted:*"],
      mainFields: ["module", "main"],
      conditions: ["wisted"],
      legalComments: "none",
      charset: "utf8",
      sourcemap: "external",
      sourcesContent: false,
      outfile: BUNDLE,
      write: false,
      metafile: true,
      logLevel: "warning",
    })
    .catch(() => {
      throw new Unsound(3, "");
    });
  const text = (ending) => built.outputFiles.find((file) => file.path.endsWith(ending)).text;
  const sources = Object.keys(built.metafile.inputs).filter((path) => path !== ENTRY);
  return {
    code: text(".js"),
    lines: lineTable(JSON.parse(text(".map")), relative(guest, sdk)),
    sources: sources.map((path) => resolve(guest, path)),
  };
}

async function component(code, lines, world) {
  const { componentize } = require("componentize-qjs");
  // On the first line, so that no other one moves.
  const prologue = `globalThis.wistedLines = ${JSON.stringify(lines)}; globalThis.wistedWorld = "${world}";`;
  const jsSource = `${prologue} ${code}`;
  // Its name is that of the places in stacks.
  const jsPath = join(here, BUNDLE);
  writeFileSync(jsPath, jsSource);
  try {
    // Not `stubWasi`: then there were no date, and what the engine says before it traps would not be seen.
    const built = await componentize({ witPath: join(here, "wit"), world, jsSource, jsPath, sync: true });
    return built.component;
  } catch (error) {
    throw new Unsound(4, withPlaces(error.message, lines));
  }
}

/** At once or not at all: somebody may be serving the old one. */
function write(path, bytes) {
  const unfinished = `${path}.${process.pid}`;
  writeFileSync(unfinished, bytes);
  renameSync(unfinished, path);
}

/** For each line of the bundle that came from the guest's own files: [its number, which file, the line there]. */
function lineTable({ sources, mappings }, sdk) {
  const isForeign = (path) => path === ENTRY || path.startsWith(`${sdk}/`) || path.includes("node_modules/");
  const isOwn = sources.map((path) => !isForeign(path));
  const lines = [];
  let source = 0;
  let line = 0;
  mappings.split(";").forEach((group, index) => {
    let isFirst = true;
    for (const segment of group === "" ? [] : group.split(",")) {
      const numbers = decodeNumbers(segment);
      if (numbers.length >= 4) {
        source += numbers[1];
        line += numbers[2];
        if (isFirst && isOwn[source]) {
          lines.push([index + 1, source, line + 1]);
        }
        isFirst = false;
      }
    }
  });
  return { sources, lines };
}

/** The numbers of one segment of a source map: base 64, the lowest five bits first, the sign in the lowest bit. */
function decodeNumbers(segment) {
  const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const numbers = [];
  let value = 0;
  let shift = 0;
  for (const letter of segment) {
    const digit = digits.indexOf(letter);
    value += (digit & 31) << shift;
    if (digit & 32) {
      shift += 5;
    } else {
      numbers.push(value & 1 ? -(value >> 1) : value >> 1);
      value = shift = 0;
    }
  }
  return numbers;
}

/** What the engine says of a module that fails while it is loaded, with places in the guest's own files. */
function withPlaces(message, { sources, lines }) {
  const shown = message
    .replace(/^:? ?Failed to evaluate user JavaScript module: Failed to finish JavaScript module evaluation:/, LOADING)
    .split("\n")
    .map((text) => {
      const number = Number(/wisted-bundle\.js:(\d+)/.exec(text)?.[1]);
      const place = lines.find(([line]) => line === number);
      const own = place && `${sources[place[1]]}:${place[2]}`;
      return own ? text.replace(/[^\s(]*wisted-bundle\.js:\d+(?::\d+)?/, own) : Number.isNaN(number) ? text : "";
    });
  return shown.filter((text) => text.trim() !== "").join("\n");
}
