// The page: which view stands at which address, who may see it, and what is said where nothing can be shown.

import { Refused, token, Unreachable } from "./api.js";
import { h, note, visible } from "./dom.js";
import { job } from "./job.js";
import { jobs } from "./jobs.js";
import { sampleList } from "./samples.js";
import { seed, seedList } from "./seeds.js";
import { submit } from "./submit.js";

const VIEWS = [
  [/^\/?$/, jobs],
  [/^\/submit$/, submit],
  [/^\/jobs\/([\w-]+)$/, job],
  [/^\/jobs\/([\w-]+)\/samples$/, sampleList],
  [/^\/jobs\/([\w-]+)\/seeds$/, seedList],
  [/^\/jobs\/([\w-]+)\/seeds\/(\d+)$/, seed],
];
const find = (id) => document.getElementById(id);
const heights = new Map();
let entry = "";
let leave = new AbortController();

// The service went away, or is back: said once and quietly, and what is shown stays.
function away(gone) {
  find("away").hidden = !gone;
}

function title(text) {
  document.title = `${visible(text)} · tamis`;
}

// Remember how far down the view was that is left, and return how far down this one was when it was left.
function arrived() {
  heights.set(entry, scrollY);
  if (history.state === null) history.replaceState(Math.random(), "");
  entry = history.state;
  return heights.get(entry) ?? 0;
}

async function show() {
  leave.abort();
  leave = new AbortController();
  const signal = leave.signal;
  const [path, search = ""] = location.hash.replace(/^#/, "").split("?");
  const [found, view] = VIEWS.map(([pattern, one]) => [pattern.exec(path), one]).find(([match]) => match) ?? [];
  const main = h("main", { id: "main", tabindex: "-1", "data-at": location.hash, "aria-busy": "true" });
  const filter = document.activeElement.name;
  const height = arrived();
  const ready = () => {
    if (!main.hasAttribute("aria-busy")) return;
    main.removeAttribute("aria-busy");
    if (height && !scrollY) scrollTo(0, height);
    if (filter && document.activeElement === main) main.querySelector(`select[name="${filter}"]`)?.focus({ preventScroll: true });
  };
  find("main").replaceWith(main);
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.getAttribute("href") === `#${path || "/"}`;
    here ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  }
  away(false);
  scrollTo(0, 0);
  try {
    if (!found) throw new Refused(404, { error: { message: `there is nothing at ${path}` } });
    await view({ main, signal, away, ready, title, ids: found.slice(1), query: new URLSearchParams(search) });
  } catch (error) {
    if (!signal.aborted) refused(main, error);
  }
  ready();
}

function anew() {
  find("who").hidden = !token.get();
  show();
  find("main").focus({ preventScroll: true });
}

function refused(main, error) {
  away(false);
  if (error.status === 401) {
    askForToken(token.get() ? "This token is not known here." : "This service asks who you are.");
    heading(main, "Who asks?");
    main.append(note("Paste your token above. It stays in this tab, and is forgotten when the tab is closed."));
    return;
  }
  if (!main.querySelector("h1")) heading(main, error.status === 404 ? "Not here" : "That did not work");
  main.prepend(note(`${error.message}.`, "bad"));
  if (!(error instanceof Refused || error instanceof Unreachable)) console.error(error);
}

function heading(main, text) {
  title(text);
  main.replaceChildren(h("h1", {}, text));
}

function askForToken(why) {
  find("access").hidden = false;
  find("why").textContent = why;
  find("token").value = "";
  find("token").focus();
  find("forget").hidden = !token.get();
}

find("access").addEventListener("submit", (event) => {
  event.preventDefault();
  token.set(find("token").value.trim());
  find("access").hidden = true;
  anew();
});
find("forget").addEventListener("click", () => {
  token.set("");
  anew();
});
find("who").addEventListener("click", () => {
  if (find("access").hidden) askForToken("Another token, or none:");
  else find("access").hidden = true;
});
find("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address says which view is shown
  find("main").focus();
});
addEventListener("hashchange", anew);
history.scrollRestoration = "manual"; // the browser would look for a place that is not there yet
find("who").hidden = !token.get();
show();
