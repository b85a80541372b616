// Values as text for people who read logs, as `console.log` shows them. Knows nothing of where the text goes.

const ITEMS_MAX = 100;
const DEPTH_MAX = 3;

let placeOf = (stack) => stack;

/** Has stacks shown as `map` makes them. */
export function showStacksWith(map) {
  placeOf = map;
}

/** What was logged, on one line as far as it goes; `%s`, `%d`, `%i`, `%f`, `%j`, `%o`, `%O` and `%%` as in Node. */
export function format(...values) {
  const parts = [];
  if (typeof values[0] === "string" && values[0].includes("%")) {
    let next = 1;
    const text = values[0].replace(/%([sdifjoO%])/g, (whole, letter) => {
      if (letter === "%") return "%";
      if (next >= values.length) return whole;
      return place(letter, values[next++]);
    });
    parts.push(text);
    values = values.slice(next);
  }
  for (const value of values) {
    parts.push(typeof value === "string" ? value : show(value, 0, []));
  }
  return parts.join(" ");
}

/** An error with its causes and where it came from; anything else as `format` shows it. */
export function describe(error) {
  if (!(error instanceof Error)) {
    return format(error);
  }
  const head = `${error.name}: ${error.message}`;
  const stack = typeof error.stack === "string" ? placeOf(error.stack).trimEnd() : "";
  // V8's stacks begin with the message; QuickJS's do not.
  const text = stack.startsWith(head) ? stack : stack === "" ? head : `${head}\n${stack}`;
  return error.cause === undefined ? text : `${text}\ncaused by ${describe(error.cause)}`;
}

function place(letter, value) {
  switch (letter) {
    case "s":
      return typeof value === "string" ? value : show(value, 0, []);
    case "d":
      return typeof value === "bigint" ? `${value}n` : String(Number(value));
    case "i":
      return String(Number.parseInt(value, 10));
    case "f":
      return String(Number.parseFloat(value));
    case "j":
      return String(JSON.stringify(value));
    default:
      return show(value, 0, []);
  }
}

function show(value, depth, above) {
  switch (typeof value) {
    case "string":
      return depth === 0 ? value : JSON.stringify(value);
    case "bigint":
      return `${value}n`;
    case "function":
      return `[function ${value.name || "(anonymous)"}]`;
    case "object":
      return value === null ? "null" : showObject(value, depth, above);
    default:
      return String(value);
  }
}

function showObject(value, depth, above) {
  if (above.includes(value)) return "[circular]";
  if (value instanceof Error) return describe(value);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? "Invalid Date" : value.toISOString();
  if (value instanceof RegExp) return String(value);
  const name = value.constructor?.name ?? "";
  if (depth >= DEPTH_MAX) return Array.isArray(value) ? "[…]" : `${name === "Object" ? "" : name}{…}`;
  const inner = (item) => show(item, depth + 1, [...above, value]);
  if (Array.isArray(value)) return `[${list(value, inner)}]`;
  if (ArrayBuffer.isView(value) && value.length !== undefined) {
    return `${name}(${value.length}) [${list(value, inner)}]`;
  }
  if (value instanceof Map) return `Map {${list(value, ([key, item]) => `${inner(key)} => ${inner(item)}`)}}`;
  if (value instanceof Set) return `Set {${list(value, inner)}}`;
  const fields = list(Object.entries(value), ([key, item]) => `${key}: ${inner(item)}`);
  return `${name === "Object" || name === "" ? "" : `${name} `}{${fields === "" ? "" : ` ${fields} `}}`;
}

function list(items, each) {
  const shown = [];
  for (const item of items) {
    if (shown.length === ITEMS_MAX) {
      shown.push("…");
      break;
    }
    shown.push(each(item));
  }
  return shown.join(", ");
}
