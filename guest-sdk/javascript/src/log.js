// Log records. Knows nothing of where they go; the host adds who wrote them.

import { format } from "./format.js";
import { host } from "./host.js";
import { wellFormed } from "./text.js";

function at(level) {
  return (...values) => host.log(level, wellFormed(format(...values)));
}

export const log = {
  trace: at("trace"),
  debug: at("debug"),
  info: at("info"),
  warn: at("warn"),
  error: at("error"),
};
