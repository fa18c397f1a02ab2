// A text field with numbered lines, in which lines can be marked and gone to.

import { h } from "./dom.js";
import { lineOf } from "./places.js";

const LINE_PX = 19; // as in page.css
const NUMBERED = 5000;

export function editor(label, changed, moved) {
  const numbers = h("div", { class: "numbers-of-lines", "aria-hidden": "true" });
  const area = h("textarea", {
    "aria-label": label, "aria-describedby": "checked", spellcheck: "false", autocapitalize: "off", autocomplete: "off", wrap: "off", rows: 24,
    on: { input: () => (number(), changed()), scroll: () => (numbers.scrollTop = area.scrollTop), keydown: indent, select: () => moved(), keyup: () => moved(), click: () => moved() },
  });
  let marked = new Set();

  function number() {
    const lines = Math.min(NUMBERED, area.value.split("\n").length);
    if (numbers.children.length !== lines)
      numbers.replaceChildren(...Array.from({ length: lines }, (_, at) => h("span", {}, String(at + 1))));
    [...numbers.children].forEach((one, at) => one.classList.toggle("bad", marked.has(at + 1)));
  }

  // A new line begins where the one before it began. Tab is left alone: it leads out of the field.
  function indent(event) {
    if (event.key !== "Enter" || event.isComposing || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const before = area.value.slice(0, area.selectionStart);
    const begins = /[^\n]*$/.exec(before)[0];
    const deeper = /[{[]\s*$/.test(begins) ? "  " : "";
    document.execCommand("insertText", false, `\n${/^ */.exec(begins)[0]}${deeper}`); // nothing else can be undone
  }

  return {
    element: h("div", { class: "editor" }, numbers, area),
    get text() {
      return area.value;
    },
    set text(text) {
      area.value = text;
      number();
      changed();
    },
    get offset() {
      return area.selectionStart;
    },
    mark(lines) {
      marked = new Set(lines);
      number();
      area.setAttribute("aria-invalid", String(marked.size > 0));
    },
    go([from, to]) {
      area.focus();
      area.setSelectionRange(from, Math.min(to, from + 2000));
      area.scrollTop = Math.max(0, (lineOf(area.value, from) - 6) * LINE_PX);
      area.scrollLeft = 0;
      area.scrollIntoView({ block: "nearest" });
      moved();
    },
  };
}
