// The candidates of a job, page by page: those in one state, fallen at one stage or for one reason.

import { get, query as toQuery } from "./api.js";
import { candidate } from "./candidate.js";
import { h, pages, path, select } from "./dom.js";
import { cut, number, words } from "./human.js";
import { settledReasons } from "./stages.js";

const LIMIT = 20;

export async function sampleList({ main, signal, title, ids: [id], query }) {
  const wanted = Object.fromEntries(["status", "stage", "reason", "after"].map((key) => [key, query.get(key) ?? ""]));
  wanted.status ||= "accepted";
  const here = (changes) => `#/jobs/${id}/samples?${toQuery({ ...wanted, after: "", ...changes })}`;
  const [job, counted, page] = await Promise.all([
    get(`/v1/jobs/${id}`, signal),
    get(`/v1/jobs/${id}/funnel`, signal),
    get(`/v1/jobs/${id}/samples?${toQuery({ ...wanted, limit: LIMIT })}`, signal),
  ]);
  title(`candidates of ${job.name}`);
  main.append(
    path(job),
    h("h1", {}, "Candidates"),
    filters(wanted, counted, here),
    page.data.length
      ? h("div", { class: "list" }, ...page.data.map((one) => candidate(one, heading(id, one))))
      : h("p", { class: "none" }, wanted.after ? "There are no more." : "There are none of this kind."),
    pages(wanted.after && ["first page", here({})], page.has_more && ["next page", here({ after: page.last_id })]),
  );
}

const heading = (id, one) => [
  h("a", { href: `#/jobs/${id}/seeds/${one.seed_no}` }, h("code", {}, cut(one.seed_id, 80))),
  ` candidate ${one.id.split("-")[1]}`,
  one.topic ? h("small", {}, ` ${cut(one.topic, 80)}`) : "",
];

// Filters that only offer what there is, with how many there are.
function filters(wanted, counted, here) {
  const fell = settledReasons(counted);
  const total = (match) => fell.filter(match).reduce((sum, one) => sum + one.count, 0);
  const kinds = ["rejected", "failed"].map((state) => [state, total((one) => one.state === state)]);
  const states = [["accepted", counted.accepted], ...kinds, ["live", counted.pending]];
  const offer = (key, names, match) => {
    const all = names.map((name) => [name, total((one) => one[key] === name && match(one))]).filter(([name, count]) => count || name === wanted[key]);
    return [["", "any"], ...all.map(([name, count]) => [name, `${words(name)} (${number(count)})`])];
  };
  const stages = offer("stage", counted.stages.map((stage) => stage.id), (one) => one.state === wanted.status);
  const known = [...new Set([...fell.map((one) => one.reason), wanted.reason])].filter(Boolean).sort();
  const reasons = offer("reason", known, (one) => one.state === wanted.status && (!wanted.stage || one.stage === wanted.stage));
  const go = (changes) => (location.hash = here(changes));
  const status = states.map(([name, count]) => [name, `${name === "live" ? "on their way" : name} (${number(count)})`]);
  const chosen = [select("state", status, wanted.status, (value) => go({ status: value, stage: "", reason: "" }))];
  if (wanted.status === "rejected" || wanted.status === "failed")
    chosen.push(
      select("fell at", stages, wanted.stage, (value) => go({ stage: value, reason: "" })),
      select("for", reasons, wanted.reason, (value) => go({ reason: value })),
    );
  return h("div", { role: "group", class: "filters", "aria-label": "Which candidates" }, ...chosen);
}
