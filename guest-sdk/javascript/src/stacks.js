// Places in a bundle as places in the sources it was made of, so that a stack says where to look. Knows no source maps:
// the build hands it a table of lines.

/**
 * A function that makes a stack of the guest's own frames: those of the SDK and the engine help nobody. `sources` names
 * the guest's files; each of `lines` is a line of the bundle, the index of its file, and the line in that file.
 */
export function sourcePlaces({ sources, lines }) {
  return (stack) => {
    const own = [];
    for (const frame of stack.split("\n")) {
      const [, name, line] = /at (.*?) ?\(?[^\s(]*wisted-bundle\.js:(\d+)/.exec(frame) ?? [];
      const place = lines.find(([number]) => number === Number(line));
      if (place !== undefined) {
        own.push(`    at ${name || "<anonymous>"} (${sources[place[1]]}:${place[2]})`);
      }
    }
    return own.length > 0 ? own.join("\n") : stack;
  };
}
