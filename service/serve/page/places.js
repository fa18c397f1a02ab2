// JSON as people write it: where in a text each value stands, what is wrong with a text that is none, and how it is set.

const WORD = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const SPACE = /[ \t\r\n]*/y;
const TEXT = /"(?:[^"\\\n]|\\.)*"/y;
const DEEPEST = 64; // the service takes no more

class Fault extends Error {
  constructor(at, message) {
    super(message);
    this.at = at;
  }
}

// Return { value, spans, fault }: `spans` has [from, to] by place, which is written as `stages[0].prompts[1]`; `fault`
// is null, or { at, message }.
export function read(text) {
  const scanner = new Scanner(text);
  try {
    scanner.value("", 0);
    scanner.space();
    if (scanner.at < text.length) throw new Fault(scanner.at, "there is something after the end");
    return { value: JSON.parse(text), spans: scanner.spans, fault: null };
  } catch (error) {
    if (error instanceof Fault) return { value: null, spans: scanner.spans, fault: { at: error.at, message: error.message } };
    return { value: null, spans: scanner.spans, fault: { at: 0, message: error.message } };
  }
}

class Scanner {
  constructor(text) {
    this.text = text;
    this.at = 0;
    this.spans = new Map();
  }

  take(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found) this.at += found[0].length;
    return found?.[0];
  }

  space() {
    this.take(SPACE);
  }

  is(mark) {
    this.space();
    if (this.text[this.at] !== mark) return false;
    this.at += 1;
    return true;
  }

  value(place, depth) {
    if (depth > DEEPEST) throw new Fault(this.at, `this is nested deeper than ${DEEPEST} levels`);
    this.space();
    const from = this.at;
    if (this.is("{")) this.object(place, depth);
    else if (this.is("[")) this.array(place, depth);
    else if (this.text[this.at] === '"') this.string();
    else if (this.take(WORD) === undefined) throw new Fault(this.at, this.at < this.text.length ? "a value is missing here" : "the text ends here, before it is complete");
    this.spans.set(place, [from, this.at]);
  }

  string() {
    const from = this.at;
    const raw = this.take(TEXT);
    if (raw === undefined) throw new Fault(from, "this text has no closing quote on its line");
    try {
      return JSON.parse(raw);
    } catch {
      throw new Fault(from, "this text has an escape or a character that JSON does not know");
    }
  }

  object(place, depth) {
    if (this.is("}")) return;
    do {
      this.space();
      if (this.text[this.at] !== '"') throw new Fault(this.at, this.text[this.at] === "}" ? "there is a comma before this brace" : "a key in quotes is missing here");
      const key = this.string();
      if (!this.is(":")) throw new Fault(this.at, `a colon is missing after ${JSON.stringify(key)}`);
      this.value(place ? `${place}.${key}` : key, depth + 1);
    } while (this.is(","));
    if (!this.is("}")) throw new Fault(this.at, "a comma or a closing brace is missing here");
  }

  array(place, depth) {
    if (this.is("]")) return;
    let number = 0;
    do {
      this.space();
      if (this.text[this.at] === "]") throw new Fault(this.at, "there is a comma before this bracket");
      this.value(`${place}[${number++}]`, depth + 1);
    } while (this.is(","));
    if (!this.is("]")) throw new Fault(this.at, "a comma or a closing bracket is missing here");
  }
}

// Return a value as text for people: what is short stands on one line.
export function write(value, indent = "", width = 96) {
  const nested = typeof value === "object" && value !== null;
  const many = nested ? Object.entries(value) : [];
  if (!many.length) return JSON.stringify(value);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const named = ([key, one], inner) => (open === "{" ? `${JSON.stringify(key)}: ` : "") + write(one, inner, width);
  const deep = many.some(([, one]) => typeof one === "object" && one !== null && Object.values(one).some((part) => typeof part === "object" && part !== null));
  const short = `${open}${many.map((one) => named(one, indent)).join(", ")}${close}`;
  if (indent && !deep && !short.includes("\n") && short.length + indent.length <= width) return short;
  const inner = `${indent}  `;
  return `${open}\n${many.map((one) => inner + named(one, inner)).join(",\n")}\n${indent}${close}`;
}

// Return where a place stands in the text, or the nearest one above it that does.
export function span(spans, place) {
  for (let above = place; above; above = above.replace(/(\.[^.[\]]*|\[\d+\]|^[^.[\]]+)$/, "")) {
    if (spans.has(above)) return spans.get(above);
    if (!/[.[]/.test(above)) break;
  }
  const [from] = spans.get("") ?? [0];
  return [from, from + 1];
}

// Return the innermost place around an offset.
export function placeAt(spans, offset) {
  let found = "";
  let size = Infinity;
  for (const [place, [from, to]] of spans)
    if (from <= offset && offset <= to && to - from < size) [found, size] = [place, to - from];
  return found;
}

export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

export const lineOf = (text, offset) => text.slice(0, offset).split("\n").length;
