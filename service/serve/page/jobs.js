// The list of jobs, kept up to date while it is looked at.

import { get, query as toQuery, repeat } from "./api.js";
import { bar, h, select, set, state, table } from "./dom.js";
import { dollars, duration, number, rate, when } from "./human.js";

const STATES = ["queued", "running", "paused", "complete", "budget", "failed", "cancelled"];
const COLUMNS = [
  ["job", "name"], ["state", ""], ["seeds done", "wide"], ["accepted", "n"], ["calls", "n"], ["cost", "n"], ["time", "n"],
];
const BUSY_MS = 2000;
const CALM_MS = 10_000;

export async function jobs({ main, signal, away, ready, title, query }) {
  title("Jobs");
  const [wanted, after] = [query.get("state") ?? "", query.get("after") ?? ""];
  const to = (place) => `#/?${toQuery({ state: wanted, ...place })}`;
  const choose = (value) => (location.hash = to({ state: value }));
  const list = table(COLUMNS, "Jobs", "stack jobs");
  const older = h("a", { hidden: true }, "older");
  const none = h("p", { class: "none", hidden: true });
  main.append(
    h("h1", {}, "Jobs"),
    h("div", { role: "group", class: "filters" }, select("state", [["", "any"], ...STATES.map((one) => [one, one])], wanted, choose)),
    list,
    none,
    h("p", { class: "pages" }, after ? h("a", { href: to({}) }, "newest") : null, older),
  );
  const rows = new Map();
  await repeat(signal, away, async () => {
    const page = await get(`/v1/jobs?${toQuery({ limit: 25, state: wanted, after })}`, signal);
    const shown = page.data.map((job) => {
      if (!rows.has(job.id)) rows.set(job.id, row(list));
      rows.get(job.id).show(job);
      return rows.get(job.id).element;
    });
    const now = [...list.querySelectorAll("tbody tr")];
    if (now.length !== shown.length || now.some((one, at) => one !== shown[at])) list.rows(shown);
    list.hidden = !shown.length;
    none.hidden = Boolean(shown.length);
    set(none, wanted || after ? "There are no such jobs." : "There are no jobs yet. “New job” begins one.");
    older.href = to({ after: page.last_id });
    older.hidden = !page.has_more;
    ready();
    return page.data.some((job) => ["queued", "running"].includes(job.state)) ? BUSY_MS : CALM_MS;
  });
}

// One row, whose texts change and whose elements stay, so that neither focus nor selection is lost.
function row(list) {
  const link = h("a");
  const since = h("small");
  const pill = h("span");
  const done = bar("seeds done");
  const seeds = h("small");
  const [accepted, calls, cost, time] = [h("b"), h("span"), h("span"), h("span")];
  const [perSecond, perAccepted, left] = [h("small"), h("small"), h("small")];
  const element = list.cells([
    [link, since], [pill], [done, seeds], [accepted], [calls, perSecond], [cost, perAccepted], [time, left],
  ]);
  const show = (job) => {
    const found = figures(job);
    link.href = `#/jobs/${job.id}`;
    set(link, job.name);
    set(since, `${when(job.created_at)}${job.tenant ? ` · ${job.tenant}` : ""}`);
    const named = job.stopping ? `${job.stopping} soon` : job.state;
    if (pill.textContent !== named) pill.replaceChildren(state(job.state));
    if (job.stopping) set(pill.firstChild, named);
    done.fill(found.share, 1);
    set(seeds, `${number(found.done)} of ${number(found.seeds)}`);
    set(accepted, found.begun ? number(found.accepted) : "");
    set(calls, found.calls === null ? "" : number(found.calls));
    set(perSecond, found.callsPerS === null ? "" : rate(found.callsPerS));
    set(cost, found.cost === null ? (found.begun ? "unknown" : "") : dollars(found.cost));
    set(perAccepted, found.cost && found.accepted ? `${dollars(found.cost / found.accepted)} each` : "");
    set(time, found.took === null ? "" : duration(found.took));
    set(left, found.left === null ? "" : `about ${duration(found.left)} left`);
  };
  return { element, show };
}

// How much is done. Where there are several phases no seed is, before the last of them has begun.
function share({ phase, phases, phase_done, phase_seeds, seeds_done, seeds }) {
  if (phases === 1) return seeds ? seeds_done / Math.max(seeds, seeds_done) : 0;
  return (phase + (phase_seeds ? Math.min(1, phase_done / phase_seeds) : 0)) / phases;
}

// What there is to say of a job: from its progress while it runs, else from what is settled, where that was asked for, or
// from what its last run has left, which is nothing where the service ended in its midst.
export function figures(job, funnel = null) {
  const { progress, counts } = job;
  const begun = progress !== null || counts !== null;
  const took = job.started_at === null ? null : (job.ended_at ?? Date.now() / 1000) - job.started_at;
  if (progress !== null)
    return {
      begun, took, share: share(progress), done: progress.seeds_done, seeds: Math.max(progress.seeds, progress.seeds_done),
      solved: progress.seeds_solved, accepted: progress.accepted, calls: progress.calls, callsPerS: progress.calls_per_s,
      tokens: progress.prompt_tokens + progress.completion_tokens, cost: progress.cost_usd, left: progress.eta_s,
    };
  const { solved = 0, unsolved = 0, failed = 0, expanded = 0 } = funnel?.seeds ?? counts?.seeds ?? {};
  const done = solved + unsolved + failed + expanded;
  const seeds = Math.max(done, counts ? counts.seeds.read + counts.seeds.derived : job.seeds);
  const tokens = job.tokens === null ? null : job.tokens.prompt + job.tokens.completion;
  return {
    begun, took: job.wall_s ?? (job.state === "running" ? took : null), share: seeds ? done / seeds : 0, done, seeds, solved,
    accepted: funnel?.accepted ?? counts?.candidates.accepted ?? 0, calls: job.calls?.calls ?? null, callsPerS: null, tokens, cost: job.cost_usd, left: null,
  };
}
