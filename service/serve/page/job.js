// One job as it goes on: its figures, its funnel, why candidates fell, its seeds, its files, and what can be done with it.

import { ask, download, events, get, repeat, token, Unreachable } from "./api.js";
import { bar, button, h, note, replace, section, set, table } from "./dom.js";
import { brief, bytes, dollars, duration, number, percent, rate, when } from "./human.js";
import { figures } from "./jobs.js";
import { write } from "./places.js";
import { seedRows, STATES as SEEDS } from "./seeds.js";
import { funnel, reasons } from "./stages.js";

const ENDED = ["complete", "budget", "failed", "cancelled"];
const FUNNEL_MS = 4000;
const SOON_MS = 1500;
const NOTHING = { stages: [] };
const MEANING = {
  queued: "waits for a place among the jobs that run",
  paused: "keeps what it has; resume it, and it goes on where it was",
  budget: "the budget of its pipeline is spent",
  failed: "could not go on; mend what is told below, then resume it",
  cancelled: "ended for good; what there was stays",
};

export async function job({ main, signal, away, ready, title, ids: [id] }) {
  const path = `/v1/jobs/${id}`;
  const first = await get(path, signal);
  title(first.name);
  const page = new JobPage(main, id, signal);
  page.show(first);
  await repeat(signal, away, async () => {
    await page.count();
    if (!ENDED.includes(page.job.state)) ready(); // else when its files are listed, too
    const looked = whileLookedAt(signal);
    try {
      for await (const [kind, data] of events(`${path}/events`, looked)) {
        away(false);
        page.show(kind === "progress" ? { ...page.job, progress: data } : data);
        if (kind === "end") return page.ended();
      }
    } catch (error) {
      if (error.code === "listeners") return page.show(await get(path, signal)), SOON_MS; // too many listen already
      if (!looked.aborted || signal.aborted) throw error;
    }
    return SOON_MS; // nobody looks, or the service ended the stream, perhaps to start anew
  });
}

// Browsers hold six connections to one place: a stream that nobody looks at gives its own back.
function whileLookedAt(signal) {
  const hidden = new AbortController();
  const look = () => document.hidden && hidden.abort();
  document.addEventListener("visibilitychange", look, { signal: AbortSignal.any([signal, hidden.signal]) });
  return AbortSignal.any([signal, hidden.signal]);
}

const quiet = () => {}; // the stream of events meets the same, and tells it

class JobPage {
  constructor(main, id, signal) {
    Object.assign(this, { id, signal, job: null, asked: 0, took: 0, counting: false, asking: "" });
    this.funnel = null;
    this.name = h("span");
    this.pill = h("span", { class: "state" });
    this.actions = h("div", { class: "actions", role: "group", "aria-label": "What can be done with it" });
    this.notes = h("div", { class: "notes" });
    this.done = bar("seeds done", "whole");
    this.numbers = ["seeds done", "accepted", "calls", "tokens", "cost", "time"].map((label) => ({ label, value: h("b"), more: h("small") }));
    this.facts = h("dl", { class: "facts" });
    this.stages = funnel();
    this.reasons = reasons(id);
    this.seeds = h("p", { class: "links" });
    this.unsolved = h("div");
    this.samples = h("p", { class: "links" });
    this.files = h("div", {}, h("p", { class: "none" }, "They are made when the job ends or is paused."));
    main.append(
      h("header", { class: "head" }, h("h1", {}, this.name, " ", this.pill), this.actions),
      this.notes,
      h("div", { class: "numbers" }, ...this.numbers.map((one) => h("div", {}, one.value, h("span", {}, one.label), one.more))),
      this.done,
      this.facts,
      section("Stages", "Candidates that came, and those that went on. While it runs: seeds that wait before each stage and that it works on, and its speed.", this.stages),
      section("Why candidates fell", "Rejected by a stage, or failed: could not be made or judged.", this.reasons.element, this.samples),
      section("Seeds", "The unsolved ones first: there is most to learn from them.", this.seeds, this.unsolved),
      section("Files", "What it leaves behind. report.html has the figures and plots in one page.", this.files),
      section("Pipeline", "As it was submitted.", this.pipeline()),
    );
  }

  show(job) {
    const before = this.job;
    this.job = job;
    set(this.name, job.name);
    set(this.pill, job.stopping ? `${job.state}, ${job.stopping} soon` : job.state);
    this.pill.className = `state ${job.state}`;
    this.draw();
    if (before?.state !== job.state || before?.stopping !== job.stopping) {
      if (before) document.getElementById("told").textContent = `The job is ${this.pill.textContent}.`;
      this.changed();
    }
    const now = performance.now();
    if (job.progress && now - this.asked > Math.max(FUNNEL_MS, 20 * this.took)) this.count().catch(quiet); // it is to cost the run nothing
  }

  // The state is another: other things can be done, and there may be files.
  changed() {
    const { job } = this;
    const told = job.warnings.map((words) => note(words));
    if (job.error) told.unshift(note(job.error.message, "bad"));
    if (MEANING[job.state] && !job.error) told.unshift(note(`This job is ${job.state}: ${MEANING[job.state]}.`));
    this.notes.replaceChildren(...told);
    this.offer();
    const facts = [
      ["id", h("code", {}, job.id)], ["submitted", when(job.created_at)],
      ["started", job.started_at ? when(job.started_at) : "not yet"], ["ended", job.ended_at ? when(job.ended_at) : "not yet"],
      ["reads", `${number(job.seeds)} seeds${job.limit ? ` (limit ${number(job.limit)})` : ""}`], ["priority", job.priority],
    ];
    if (job.tenant) facts.push(["tenant", job.tenant]);
    this.facts.replaceChildren(...facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
    if (job.state === "paused") this.ended().catch(quiet); // of one that has ended the stream tells
  }

  figures(found, job) {
    const { progress } = job;
    const [seeds, accepted, calls, tokens, cost, time] = this.numbers;
    const say = (into, value, more) => (set(into.value, value), set(into.more, more || ""));
    this.done.fill(found.share, 1);
    say(seeds, number(found.done), `of ${number(found.seeds)}, ${number(found.solved)} solved`);
    say(accepted, number(found.accepted), progress?.accepted_per_s ? rate(progress.accepted_per_s) : "");
    say(calls, progress ? rate(progress.calls_per_s) : found.calls === null ? "–" : number(found.calls),
      progress ? `${number(progress.calls)} made, ${number(progress.in_flight)} in flight${progress.refused ? `, ${number(progress.refused)} refused` : ""}` : "");
    say(tokens, found.tokens === null ? "–" : brief(found.tokens), found.accepted && found.tokens ? `${brief(found.tokens / found.accepted)} per accepted` : "");
    say(cost, found.cost === null ? (found.begun ? "unknown" : "–") : dollars(found.cost), found.cost === null ? found.begun && "no price is known" : found.cost && found.accepted ? `${dollars(found.cost / found.accepted)} per accepted` : "");
    const phase = progress && progress.phases > 1 ? ` of phase ${progress.phase + 1} of ${progress.phases}` : "";
    say(time, found.took === null ? "–" : duration(found.took), found.left === null ? phase && `phase ${progress.phase + 1} of ${progress.phases}` : `about ${duration(found.left)} left${phase}`);
  }

  // Read what has become of candidates and seeds; never two reads at once.
  async count() {
    if (this.counting) return;
    this.counting = true;
    this.asked = performance.now();
    try {
      this.funnel = await get(`/v1/jobs/${this.id}/funnel`, this.signal);
    } catch (error) {
      if (!this.signal.aborted && !(error instanceof Unreachable)) throw error;
      return;
    } finally {
      this.counting = false;
      this.took = performance.now() - this.asked;
    }
    this.draw();
    this.link();
  }

  draw() {
    this.figures(figures(this.job, this.funnel), this.job);
    this.stages.show(this.funnel ?? NOTHING, this.job.progress);
    this.reasons.show(this.funnel ?? NOTHING, this.job.progress);
  }

  link() {
    const fell = (key) => this.funnel.stages.reduce((sum, stage) => sum + stage[key], 0);
    const kinds = [["accepted", this.funnel.accepted], ["rejected", fell("rejected")], ["failed", fell("failed")]];
    const to = (kind, count, href) => h("a", { href }, `${kind} ${number(count)}`);
    update(this.samples, ["candidates:", ...kinds.map(([kind, count]) => to(kind, count, `#/jobs/${this.id}/samples?status=${kind}`))]);
    const there = SEEDS.filter((kind) => this.funnel.seeds[kind] || ["solved", "unsolved"].includes(kind));
    const seeds = there.map((kind) => to(kind, this.funnel.seeds[kind] ?? 0, `#/jobs/${this.id}/seeds?state=${kind}`));
    if (update(this.seeds, ["seeds:", ...seeds])) this.leafUnsolved();
  }

  async leafUnsolved() {
    const page = await get(`/v1/jobs/${this.id}/seeds?state=unsolved&limit=8`, this.signal).catch(() => null);
    if (page === null) return;
    const more = page.has_more ? h("p", {}, h("a", { href: `#/jobs/${this.id}/seeds?state=unsolved` }, "all of them")) : null;
    const none = h("p", { class: "none" }, "No seed is unsolved so far.");
    replace(this.unsolved, page.data.length ? seedRows(this.id, page.data) : none, more ?? "");
  }

  async ended() {
    await this.count();
    const { data } = await get(`/v1/jobs/${this.id}/files`, this.signal);
    if (!data.length) return;
    const list = table([["file", "name"], ["size", "n"]], "Files");
    list.rows(data.map((file) => list.cells([this.file(file.id), bytes(file.bytes)])));
    replace(this.files, list);
  }

  file(name) {
    const path = `/v1/jobs/${this.id}/files/${name.split("/").map(encodeURIComponent).join("/")}`;
    const short = name.split("/").pop();
    const click = (event) => {
      if (!token.get()) return;
      event.preventDefault();
      download(path, short).catch((error) => this.notes.prepend(note(`${name}: ${error.message}.`, "bad")));
    };
    return h("a", { href: path, download: short, on: { click } }, name);
  }

  pipeline() {
    const text = h("pre", { class: "code json", tabindex: "0" });
    const open = async () => {
      if (text.textContent !== "") return;
      set(text, await get(`/v1/jobs/${this.id}/pipeline`).then(write, (error) => error.message));
    };
    const again = h("a", { href: `#/submit?from=${this.id}` }, "Begin a new job with it");
    return h("div", {}, h("details", { on: { toggle: open } }, h("summary", {}, "Show it"), text), h("p", {}, again));
  }

  offer() {
    const { state, stopping } = this.job;
    const can = [];
    if (["queued", "running"].includes(state) && !stopping) can.push(this.action("Pause", "pause"));
    if (["paused", "failed"].includes(state)) can.push(this.action("Resume", "resume"));
    if (!["complete", "budget", "cancelled"].includes(state) && stopping !== "cancelled")
      can.push(this.action("Cancel", "cancel", "Cancel it for good? What there is stays, and nothing more is made."));
    if (ENDED.includes(state)) can.push(this.action("Delete", "", "Delete it, with its samples and files?"));
    if (!can.some((one) => one.textContent === this.asking)) replace(this.actions, ...can); // else the question stays
  }

  // A button for one thing; what cannot be taken back is asked for twice, in the same place.
  action(label, what, question = "") {
    const act = async () => {
      this.asking = "";
      try {
        const answer = await ask(what ? "POST" : "DELETE", `/v1/jobs/${this.id}${what && `/${what}`}`, what ? { body: {} } : {});
        if (!what) location.hash = "#/";
        else if (what === "resume" && this.job.state === "failed") dispatchEvent(new HashChangeEvent("hashchange")); // its events begin anew
        else this.show({ ...answer, progress: answer.progress ?? this.job.progress });
      } catch (error) {
        this.notes.prepend(note(`${error.message}.`, "bad"));
        this.offer();
      }
    };
    const sure = () => {
      const yes = button(`Yes, ${label.toLowerCase()} it`, act, { class: "grave" });
      const no = button("No", () => ((this.asking = ""), this.offer()));
      this.asking = label;
      this.actions.replaceChildren(h("span", { role: "alert" }, question), yes, no);
      no.focus();
    };
    return button(label, question ? sure : act);
  }
}

// Put other links in a paragraph where they say something else; tell whether they did.
function update(paragraph, parts) {
  const text = (one) => (typeof one === "string" ? one : one.textContent);
  if ([...paragraph.childNodes].map((one) => one.textContent).join("|") === parts.map(text).join("|")) return false;
  replace(paragraph, ...parts);
  return true;
}
