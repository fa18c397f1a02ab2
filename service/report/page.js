"use strict";
// The browser of candidates. All that models wrote goes in by textContent, and so is never anything but text.
(() => {
  const seeds = JSON.parse(document.getElementById("data").textContent);
  const find = (id) => document.getElementById(id);
  const [state, reason, place, shown] = ["state", "reason", "place", "seed"].map(find);
  let at = 0;

  const made = (tag, text, name) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (name) element.className = name;
    return element;
  };
  const kind = (candidate) =>
    candidate.state === "rejected" || candidate.state === "failed"
      ? `${candidate.stage}: ${candidate.reason.replaceAll("_", " ")}`
      : candidate.state;
  const options = (select, values) => {
    for (const value of [...new Set(values)].sort()) {
      const option = made("option", value);
      option.value = value;
      select.append(option);
    }
  };
  const fits = () =>
    seeds.filter(
      (seed) =>
        (!state.value || seed.state === state.value) &&
        (!reason.value || seed.candidates.some((candidate) => kind(candidate) === reason.value)),
    );

  const verdict = (one) => {
    const item = made("li");
    const mark = one.passed === null ? "?" : one.passed ? "✓" : "✗";
    item.append(made("span", mark, one.passed ? "good" : "bad"));
    item.append(made("span", one.stage + (one.score === null ? "" : ` ${one.score}`)));
    if (one.why) item.append(made("small", one.why));
    return item;
  };
  const column = (candidate) => {
    const box = made("article", undefined, `candidate ${candidate.state}`);
    const title = made("h3", `${candidate.n} `);
    if (candidate.right !== null)
      title.append(made("span", candidate.right ? "right" : "wrong", candidate.right ? "good" : "bad"));
    box.append(title, made("div", kind(candidate), "why"));
    if (candidate.reasoning) {
      const more = made("details");
      more.append(made("summary", "reasoning"), made("pre", candidate.reasoning));
      box.append(more);
    }
    box.append(made("pre", candidate.text || "(no text)"));
    const facts = made("p", undefined, "made");
    for (const [key, value] of Object.entries(candidate.made)) facts.append(made("span", `${key} ${value}`));
    for (const [key, value] of Object.entries(candidate.scores)) facts.append(made("span", `${key} ${value}`));
    const verdicts = made("ul");
    verdicts.append(...candidate.verdicts.map(verdict));
    box.append(facts, verdicts);
    return box;
  };
  const show = (seed) => {
    const head = made("header");
    const title = made("h3");
    title.append(made("code", seed.id), " ", made("small", [seed.state, seed.bucket, seed.topic].filter(Boolean).join(" · ")));
    head.append(title, made("pre", seed.task, "task"));
    const side = made("div", undefined, "side");
    side.tabIndex = 0;
    side.setAttribute("role", "group");
    side.setAttribute("aria-label", `candidates of ${seed.id}`);
    side.append(...seed.candidates.map(column));
    const more = seed.more ? [made("p", `${seed.more.toLocaleString("en")} more candidates are in the ledger.`, "aside")] : [];
    shown.replaceChildren(head, side, ...more);
  };
  const update = () => {
    const found = fits();
    at = Math.max(0, Math.min(at, found.length - 1));
    place.textContent = found.length ? `${at + 1} of ${found.length}` : "no such seed was drawn";
    if (found.length) show(found[at]);
    else shown.replaceChildren();
    return found[at];
  };
  const go = (to) => {
    at = to;
    const seed = update();
    if (seed) history.replaceState(null, "", `#seed/${encodeURIComponent(seed.id)}`);
  };
  const follow = () => {
    if (!location.hash.startsWith("#seed/")) return;
    const id = decodeURIComponent(location.hash.slice("#seed/".length));
    if (seeds.every((seed) => seed.id !== id)) {
      find("browser").scrollIntoView();
      place.textContent = `${id} is not among the drawn seeds; see unsolved.jsonl`;
      return;
    }
    state.value = reason.value = "";
    at = seeds.findIndex((seed) => seed.id === id);
    update();
    find("browser").scrollIntoView();
  };

  options(state, seeds.map((seed) => seed.state));
  options(reason, seeds.flatMap((seed) => seed.candidates.map(kind)));
  for (const select of [state, reason]) select.addEventListener("change", () => go(0));
  find("previous").addEventListener("click", () => go(at - 1));
  find("next").addEventListener("click", () => go(at + 1));
  document.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const busy = event.altKey || event.ctrlKey || event.metaKey || event.target.matches("select, .side, input, textarea");
    const box = find("browser").getBoundingClientRect();
    if (!step || busy || box.top > innerHeight || box.bottom < 0) return;
    event.preventDefault();
    go(at + step);
  });
  addEventListener("hashchange", follow);
  if (seeds.length) {
    document.querySelector(".filters").hidden = false;
    update();
    follow();
  }
})();
