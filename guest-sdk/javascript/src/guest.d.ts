// The types of "wisted/guest", which only what makes components imports: `wisted build` writes such a module itself.

import type { Factory, Program, Protocol } from "./index.js";

/** The contract's exports, for what a guest's main module exports as default. */
export function handlers(
  app: Factory | Program | (new () => Factory) | (new () => Program) | (new () => Protocol),
): Record<string, unknown>;
