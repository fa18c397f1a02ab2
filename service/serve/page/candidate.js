// A candidate as people look at it: its text, why it fell, what each stage said, how it was made.

import { clamped, h } from "./dom.js";
import { words } from "./human.js";

const MADE = ["endpoint", "model", "prompt", "temperature", "steering", "seed"];

export const why = ({ state, stage, reason }) =>
  state === "rejected" || state === "failed" ? `${stage}: ${words(reason)}` : state === "live" ? "on its way" : state;

const figure = (value) => (typeof value === "number" ? String(Math.round(value * 1000) / 1000) : String(value));

// A text, or a value as JSON, in a frame.
export const framed = (value) =>
  typeof value === "string" ? clamped(value, { class: "code" }) : clamped(JSON.stringify(value, null, 2), { class: "code json" });

const folded = (title, value, always = false) => {
  if (value === null || value === undefined || (typeof value === "object" && !Object.keys(value).length)) return null;
  return h("details", { open: always }, h("summary", {}, title), framed(value));
};

function verdict(stage, said) {
  const mark = said.passed === null ? "?" : said.passed ? "✓" : "✗";
  const [name, kind] = said.passed === null ? ["could not be judged", ""] : said.passed ? ["passed", "good"] : ["did not pass", "bad"];
  const { passed, score, reason, detail, ...more } = said;
  const told = detail || words(reason ?? "");
  return h(
    "li",
    {},
    h("span", { class: kind, role: "img", "aria-label": name }, mark),
    h("div", {}, h("span", {}, stage, score === undefined ? "" : ` ${figure(score)}`), told ? clamped(told, { class: "told" }, 600) : null, folded("more", more)),
  );
}

export function candidate(sample, title) {
  const made = MADE.filter((key) => key in sample.lineage).map((key) => h("span", {}, `${key} ${figure(sample.lineage[key])}`));
  const scores = Object.entries(sample.scores).map(([name, score]) => h("span", {}, `${name} `, h("b", {}, figure(score))));
  const rest = Object.fromEntries(Object.entries(sample.lineage).filter(([key]) => !MADE.includes(key)));
  const verdicts = Object.entries(sample.verdicts).map(([stage, said]) => verdict(stage, said));
  return h(
    "article",
    { class: `candidate ${sample.state}` },
    h("h3", {}, title),
    h("p", { class: "why" }, why(sample)),
    sample.detail && sample.detail !== sample.verdicts[sample.stage]?.detail ? clamped(sample.detail, { class: "told" }, 600) : null,
    folded("reasoning", sample.reasoning || null),
    sample.text ? clamped(sample.text) : h("p", { class: "none" }, "(no text)"),
    folded("tool calls", sample.tool_calls, true),
    h("p", { class: "made" }, ...made, ...scores),
    verdicts.length ? h("ul", { class: "verdicts", "aria-label": "verdicts" }, ...verdicts) : null,
    folded("fields", sample.fields),
    folded("how it came about", rest),
    sample.truncated ? h("p", { class: "aside" }, "Long texts are cut here; its seed has them whole.") : null,
  );
}
