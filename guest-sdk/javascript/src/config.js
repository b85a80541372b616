// The operator's configuration values. Knows nothing of what they mean.

import { host } from "./host.js";
import { wellFormed } from "./text.js";

export const config = {
  get(key) {
    return host.configGet(wellFormed(key)) ?? undefined;
  },

  all() {
    return new Map(host.configAll());
  },
};
