// The funnel of a job: what came to each stage and went on, why the others fell, and what each stage does just now.

import { query } from "./api.js";
import { bar, h, set, table } from "./dom.js";
import { number, percent, rate, words } from "./human.js";

const COLUMNS = [
  ["stage", "name"], ["", "wide"], ["came", "n"], ["went on", "n"], ["rejected", "n"], ["failed", "n"],
  ["queue", "queue live"], ["at work", "n live"], ["now", "n live"],
];

// The stages as a table; `show(funnel, progress)` may be called as often as there is news.
export function funnel() {
  const element = table(COLUMNS, "Stages", "stack stages");
  const rows = new Map();
  element.show = (counted, progress) => {
    const live = new Map((progress?.stages ?? []).map((stage) => [stage.name, stage]));
    const settled = new Map(counted.stages.map((stage) => [stage.id, stage]));
    const names = [...(live.size ? live : settled).keys()];
    if (names.length !== rows.size || names.some((name) => !rows.has(name))) {
      rows.clear();
      for (const name of names) rows.set(name, row(element));
      element.rows([...rows.values()].map((one) => one.element));
    }
    element.classList.toggle("ended", progress === null);
    const now = (name) => live.get(name) ?? settled.get(name);
    const most = Math.max(1, ...names.map((name) => now(name).came));
    for (const name of names) rows.get(name).show(name, now(name), live.get(name), most);
  };
  return element;
}

function row(list) {
  const [name, kind, came, went, rejected, failed] = ["b", "small", "span", "b", "span", "span"].map((tag) => h(tag));
  const [arrived, passed] = [bar("came, of all candidates", "came"), bar("went on, of all candidates", "went")];
  const [queue, waiting, busy, speed] = [bar("queue", "fill"), h("small"), h("span"), h("span")];
  const element = list.cells([
    [name, kind], h("span", { class: "funnel" }, arrived, passed), came, went, rejected, failed, [queue, waiting], busy, speed,
  ]);
  const show = (named, stage, now, most) => {
    set(name, named);
    set(kind, stage.type === named ? "" : stage.type);
    arrived.fill(stage.came, most);
    passed.fill(stage.went, most);
    for (const [into, key] of [[came, "came"], [went, "went"], [rejected, "rejected"], [failed, "failed"]]) set(into, number(stage[key]));
    failed.className = stage.failed ? "bad" : "";
    queue.hidden = !now?.capacity;
    queue.fill(now?.waiting ?? 0, now?.capacity ?? 0);
    queue.classList.toggle("full", Boolean(now?.capacity) && now.waiting >= now.capacity);
    set(waiting, now?.capacity ? `${number(now.waiting)}/${number(now.capacity)}` : "");
    set(busy, now?.capacity ? number(now.busy) : "");
    set(speed, now ? rate(now.per_s) : "");
  };
  return { element, show };
}

// Why settled candidates fell, stage by stage.
export const settledReasons = (counted) => counted.stages.flatMap((stage) => stage.reasons.map((one) => ({ stage: stage.id, ...one })));

// Of a running job the reasons are known before its groups are settled.
const rejected = (progress) =>
  progress.stages.flatMap((stage) => Object.entries(stage.reasons).map(([reason, count]) => ({ stage: stage.name, state: "rejected", reason, count })));

// Why candidates fell, the most frequent first; each reason leads to its candidates.
export function reasons(job) {
  const list = table([["stage", "name"], ["reason", ""], ["candidates", "n"], ["share", "n"], ["", "wide"]], "Why candidates fell");
  const none = h("p", { class: "none" }, "None has fallen so far.");
  let told = "";
  const show = (counted, progress) => {
    const settled = settledReasons(counted);
    const fell = progress === null ? settled : [...rejected(progress), ...settled.filter((one) => one.state === "failed")];
    fell.sort((one, other) => other.count - one.count);
    list.hidden = !fell.length;
    none.hidden = Boolean(fell.length);
    if (told === JSON.stringify(fell)) return;
    told = JSON.stringify(fell);
    const all = Math.max(1, ...(progress ?? counted).stages.map((stage) => stage.came));
    list.rows(
      fell.map((one) => {
        const href = `#/jobs/${job}/samples?${query({ status: one.state, stage: one.stage, reason: one.reason })}`;
        const mark = one.state === "failed" ? h("small", { class: "bad" }, " failed") : null;
        const link = h("a", { href }, words(one.reason) || "(no reason)");
        return list.cells([one.stage, [link, mark], number(one.count), percent(one.count, all), bar("").fill(one.count, fell[0].count)]);
      }),
    );
  };
  return { element: h("div", {}, list, none), show };
}
