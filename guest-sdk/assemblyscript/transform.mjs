// Gives a guest's exports the contract's names, which no identifier may have: `asc --transform` runs it. Knows names
// only.

/** What a guest exports in AssemblyScript, by interface and function of the contract. */
const NAMES = {
  connectionMade: "connection-handler@0.1.0#connection-made",
  dataReceived: "connection-handler@0.1.0#data-received",
  connectionLost: "connection-handler@0.1.0#connection-lost",
  readClosed: "half-close-handler@0.1.0#read-closed",
  drained: "flow-handler@0.1.0#drained",
  start: "lifecycle-handler@0.1.0#start",
  stop: "lifecycle-handler@0.1.0#stop",
  saveState: "state-handler@0.1.0#save-state",
  restoreState: "state-handler@0.1.0#restore-state",
  timerFired: "timer-handler@0.1.0#timer-fired",
  pageReceived: "page-handler@0.1.0#page-received",
  execute: "program@0.1.0#execute",
};

/** What the canonical ABI wants as it is. */
const KEPT = ["memory", "cabi_realloc"];

export default class RenameExports {
  afterCompile(module) {
    // From the last to the first, for they are removed on the way.
    for (let index = module.getNumExports() - 1; index >= 0; --index) {
      const { name, value } = this.binaryen.getExportInfo(module.getExportByIndex(index));
      if (KEPT.includes(name)) continue;
      module.removeExport(name);
      if (Object.hasOwn(NAMES, name)) module.addFunctionExport(value, `wisted:reactor/${NAMES[name]}`);
    }
  }
}
