// The seeds of a job by how they ended, and one seed with its candidates side by side.

import { get, query as toQuery } from "./api.js";
import { candidate, framed } from "./candidate.js";
import { button, clamped, h, pages, path, replace, select, state as pill, table } from "./dom.js";
import { cut, number } from "./human.js";

export const STATES = ["solved", "unsolved", "failed", "expanded", "parked"];
const SIDE = 24;

export async function seedList({ main, signal, title, ids: [id], query }) {
  const [state, after] = [query.get("state") || "unsolved", query.get("after") ?? ""];
  const here = (changes) => `#/jobs/${id}/seeds?${toQuery({ state, ...changes })}`;
  const [job, page] = await Promise.all([
    get(`/v1/jobs/${id}`, signal),
    get(`/v1/jobs/${id}/seeds?${toQuery({ state, after, limit: 50 })}`, signal),
  ]);
  title(`seeds of ${job.name}`);
  const choose = (value) => (location.hash = here({ state: value }));
  main.append(
    path(job),
    h("h1", {}, "Seeds"),
    h("div", { role: "group", class: "filters" }, select("state", STATES.map((one) => [one, one]), state, choose)),
    page.data.length ? seedRows(id, page.data) : h("p", { class: "none" }, "There are none of this kind."),
    pages(after && ["first page", here({})], page.has_more && ["next page", here({ after: page.last_id })]),
  );
}

// What a row says of itself, in a line.
const gist = (row) => cut(Object.entries(row).map(([key, value]) => `${key}: ${typeof value === "string" ? value : JSON.stringify(value)}`).join(" · "), 240);

export function seedRows(id, seeds) {
  const topics = seeds.some((one) => one.topic);
  const list = table([["seed", "name"], ...(topics ? [["topic", "name"]] : []), ["row", "gist"]], "Seeds");
  const link = (one) => h("a", { href: `#/jobs/${id}/seeds/${one.id}` }, h("code", {}, cut(one.seed_id, 80)));
  list.rows(seeds.map((one) => list.cells([link(one), ...(topics ? [cut(one.topic, 80)] : []), [one.failure ? h("span", { class: "bad" }, `${cut(one.failure, 240)} `) : "", gist(one.row)]])));
  return list;
}

export async function seed({ main, signal, title, ids: [id, no], query }) {
  const [job, found] = await Promise.all([get(`/v1/jobs/${id}`, signal), get(`/v1/jobs/${id}/seeds/${no}`, signal)]);
  const next = STATES.includes(found.state) ? await get(`/v1/jobs/${id}/seeds?${toQuery({ state: found.state, after: no, limit: 1 })}`, signal) : { data: [] };
  title(cut(found.seed_id, 80));
  const row = Object.entries(found.row).map(([key, value]) =>
    h("div", {}, h("dt", {}, key), h("dd", {}, clamped(typeof value === "string" ? value : JSON.stringify(value), {}, 1500))),
  );
  const prompt = found.candidates.find((one) => one.prompt)?.prompt;
  main.append(
    path(job, " / ", h("a", { href: `#/jobs/${id}/seeds?state=${found.state}` }, `${found.state} seeds`)),
    h("h1", {}, h("code", {}, cut(found.seed_id, 200)), " ", pill(found.state)),
    h("p", { class: "aside" }, [found.topic && `topic ${cut(found.topic, 200)}`, `number ${no}`, found.parent_id && `from ${found.parent_id}`].filter(Boolean).join(" · ")),
    found.failure ? h("p", { class: "note bad" }, found.failure) : "",
    h("dl", { class: "row" }, ...row),
    prompt ? h("details", {}, h("summary", {}, "the prompt of the first candidate, as it was sent"), ...prompt.map(turn)) : "",
    side(found, query.get("show") ?? "", (show) => (location.hash = `#/jobs/${id}/seeds/${no}?${toQuery({ show })}`)),
    pages(...next.data.map((one) => [`next ${found.state} seed`, `#/jobs/${id}/seeds/${one.id}`])),
  );
}

const turn = (message) =>
  h("div", {}, h("small", {}, message.role ?? ""), framed(message.content));

function side(found, show, choose) {
  const count = (state) => found.candidates.filter((one) => one.state === state).length;
  const kinds = ["accepted", "rejected", "failed", "live"].filter(count).map((state) => [state, `${state === "live" ? "on their way" : state} (${number(count(state))})`]);
  const shown = found.candidates.filter((one) => !show || one.state === show);
  const columns = h("div", { class: "side", tabindex: "0", role: "group", "aria-label": "candidates side by side" });
  const more = h("p");
  const reveal = (size) => {
    const has = columns.children.length;
    columns.append(...shown.slice(has, size).map((one) => candidate(one, `candidate ${one.id.split("-")[1]}`)));
    const left = shown.length - columns.children.length;
    replace(more, left > 0 ? button(`show ${number(Math.min(left, SIDE))} more of ${number(left)}`, () => reveal(columns.children.length + SIDE)) : "");
  };
  reveal(SIDE);
  const filter = select("show", [["", `all candidates (${number(found.candidates.length)})`], ...kinds], show, choose);
  return h("div", {}, h("h2", {}, "Candidates side by side"), h("div", { role: "group", class: "filters" }, filter), shown.length ? columns : h("p", { class: "none" }, "It has none."), more);
}
