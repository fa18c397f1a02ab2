// Elements and texts. What comes from elsewhere goes in by textContent, and so is never anything but text; characters
// that would be invisible, or would turn round what stands beside them, are spelled out.

import { number } from "./human.js";

const HIDDEN =
  /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\uffff\ud800-\udfff\u{e0000}-\u{e0fff}]|(?<![\p{Lo}\p{M}\p{Extended_Pictographic}\p{Emoji_Modifier}])[\u200c\u200d]/gu; // joiners are part of Persian, of Hindi and of many emoji
const CHARS = 4000;
const BLOCK = 16000;

export const visible = (text) =>
  String(text).replace(HIDDEN, (one) => `⟨U+${one.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);

// h("a", { href: "#/", class: "x", on: { click } }, "text", element, ...)
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [kind, heard] of Object.entries(value)) element.addEventListener(kind, heard);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((one) => one !== null && one !== undefined).map(node));
  return element;
}

const node = (child) => (child instanceof Node ? child : document.createTextNode(visible(child)));

// Put other children in a place. The focus stays: on what had it, else on what stands for that, else in the place.
export function replace(place, ...children) {
  const held = place.contains(document.activeElement) ? document.activeElement : null;
  place.replaceChildren(...children);
  if (!held || held.isConnected) return held?.focus({ preventScroll: true });
  const same = (one) => (held.href ? one.href === held.href : one.textContent === held.textContent);
  const others = [...place.querySelectorAll("a, button")];
  place.tabIndex = -1;
  (others.find(same) ?? others[0] ?? place).focus({ preventScroll: true });
}

// Change a text only where it is another: what is read aloud or marked by the mouse stays.
export function set(element, text) {
  const shown = visible(text);
  if (element.textContent !== shown) element.textContent = shown;
}

export const button = (text, click, attributes = {}) => h("button", { type: "button", on: { click }, ...attributes }, text);

// A bar that is filled by some share; `fill` moves it. Without a label it only repeats what the figures beside it say.
export function bar(label, kind = "") {
  const fill = h("i");
  const told = label ? { role: "progressbar", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100 } : { "aria-hidden": "true" };
  const element = h("span", { class: `bar ${kind}`, ...told }, fill);
  element.fill = (part, whole) => {
    const share = whole > 0 ? Math.min(100, (100 * part) / whole) : 0;
    fill.style.width = `${share.toFixed(2)}%`;
    if (label) element.setAttribute("aria-valuenow", Math.round(share));
    return element;
  };
  return element.fill(0, 1);
}

// A text that may be of any length: its beginning, and the rest when somebody asks for it, in blocks that cost nothing
// while they are out of sight.
export function clamped(text, attributes = {}, chars = CHARS) {
  const whole = String(text);
  const shown = h("pre", attributes, whole.slice(0, chars));
  if (whole.length <= chars) return shown;
  const more = button(`show all ${number(whole.length)} characters`, () => {
    shown.replaceChildren(...blocks(whole));
    shown.tabIndex = 0;
    shown.classList.add("long");
    more.remove();
    shown.focus();
  });
  more.className = "more";
  return h("div", { class: "clamped" }, shown, more);
}

function blocks(text) {
  const parts = [];
  for (let at = 0; at < text.length; ) {
    let end = Math.min(at + BLOCK, text.length);
    if (text.codePointAt(end - 1) > 0xffff) end += 1; // not through the middle of a character
    const line = text.lastIndexOf("\n", end - 1);
    if (end < text.length && line > at) end = line + 1;
    parts.push(h("span", { class: "block" }, text.slice(at, end)));
    at = end;
  }
  return parts;
}

export const note = (text, kind = "") => h("p", { class: `note ${kind}`, role: kind === "bad" ? "alert" : null }, text);

export function section(title, about, ...body) {
  const id = `about-${title.toLowerCase().replace(/\W+/g, "-")}`;
  return h(
    "section",
    { "aria-labelledby": id },
    h("header", {}, h("h2", { id }, title), about ? h("p", {}, about) : null),
    h("div", { class: "body" }, ...body),
  );
}

// A table whose columns are [title, class]; `cells` makes a row, `rows` puts rows into it. A `kind` "stack" becomes a
// list of small cards where there is no room, and remains a table for those who hear it.
export function table(columns, label, kind = "") {
  const body = h("tbody", { role: "rowgroup" });
  const head = columns.map(([title, name]) => h("th", { class: name, role: "columnheader" }, title));
  const whole = h("table", { "aria-label": label, role: "table" }, h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...head)), body);
  const element = h("div", { class: `scroll ${kind}` }, whole);
  element.rows = (rows) => replace(body, ...rows);
  element.cells = (cells) =>
    h("tr", { role: "row" }, ...cells.map((cell, at) => h("td", { class: columns[at][1], role: "cell", "data-label": columns[at][0] }, cell)));
  return element;
}

export function select(label, options, value, change) {
  const field = h("select", { name: label, on: { change: () => change(field.value) } });
  for (const [key, text] of options) field.append(h("option", { value: key, selected: key === value }, text));
  return h("label", {}, `${label} `, field);
}

// The way back to the job that something is part of.
export const path = (job, ...further) => h("p", { class: "path" }, h("a", { href: `#/jobs/${job.id}` }, job.name), ...further);

// Links to other parts of a list: [text, address], where there is such a part.
export const pages = (...links) => h("p", { class: "pages" }, ...links.filter(Boolean).map(([text, href]) => h("a", { href }, text)));

export const state = (name) => h("span", { class: `state ${name}` }, name);
