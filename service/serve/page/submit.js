// A new job: its seeds, its pipeline in an editor that is checked while somebody types, and what comes of it.

import { ask, get, query as toQuery, start, upload } from "./api.js";
import { button, h, note, replace, section, select, set } from "./dom.js";
import { editor } from "./editor.js";
import { hints, keysAt } from "./hints.js";
import { bytes, cut, number, percent, when } from "./human.js";
import { isObject, lineOf, placeAt, read, span, write } from "./places.js";
import { columnsOf, TEMPLATES } from "./templates.js";

const TYPING_MS = 400;
const BEGINNING = 64 * 1024;
const FIRST = Object.keys(TEMPLATES)[0];
let draft = ""; // what was written before somebody looked elsewhere

export async function submit({ main, signal, title, query }) {
  title("New job");
  const from = query.get("from");
  const [schema, endpoints, files, begun] = await Promise.all([
    get("/v1/schema", signal),
    get("/v1/endpoints", signal),
    get(`/v1/files?${toQuery({ purpose: "seeds", limit: 100 })}`, signal),
    from ? get(`/v1/jobs/${from}/pipeline`, signal) : null,
  ]);
  new SubmitPage(main, signal, schema, endpoints.data, files.data).begin(begun ? write(begun) : draft);
}

class SubmitPage {
  constructor(main, signal, schema, endpoints, files) {
    Object.assign(this, { signal, schema, endpoints, template: FIRST, made: "", key: "", checking: null, timer: 0, took: 0 });
    this.given = { endpoint: endpoints[0]?.id ?? "main", file: "", columns: [] };
    this.editor = editor("pipeline as JSON", () => this.typed(), () => this.hint());
    this.hints = hints();
    this.verdict = h("p", { id: "checked", class: "verdict", role: "status" });
    this.errors = h("ol", { class: "errors", "aria-label": "what is wrong" });
    this.warnings = h("div");
    this.said = h("div");
    this.back = button("Bring back what was there", () => {}, { hidden: true });
    this.go = button("Submit", () => this.submit(), { class: "main" });
    this.priority = h("input", { type: "number", min: -100, max: 100, value: 0, id: "priority", on: { input: () => (this.key = "") } });
    this.limit = h("input", { type: "number", min: 1, placeholder: "all", id: "limit", on: { input: () => (this.key = "") } });
    this.file = h("select", { id: "file", on: { change: () => this.chosen(this.file.value, this.file.selectedOptions[0].dataset.name) } }, h("option", { value: "" }, "none chosen"), ...files.map(option));
    this.sent = h("small", { role: "status" });
    const pick = h("input", { type: "file", id: "upload", accept: ".jsonl,.csv,.json,.yaml,.yml,.txt,.md,.jinja", on: { change: () => this.upload(pick.files[0]) } });
    const known = endpoints.map((one) => [h("code", {}, one.id), one.model ? ` (${one.model}) ` : " "]).flat();
    main.append(
      h("h1", {}, "New job"),
      section("Seeds", "A JSONL or CSV file: a row for each seed.",
        h("p", { class: "fields" }, h("label", { for: "upload" }, "upload a file"), pick),
        h("p", { class: "fields" }, h("label", { for: "file" }, "or take one that is here"), this.file), this.sent),
      section("Pipeline", "As in pipeline.yaml, as JSON and without endpoints. It is looked over while you type.",
        h("div", { class: "filters", role: "group" },
          select("start from", Object.keys(TEMPLATES).map((name) => [name, name]), FIRST, (name) => this.fill(name)),
          button("Start over", () => this.fill(this.template)), this.back),
        h("div", { class: "desk" },
          h("div", {}, this.editor.element, this.verdict, this.errors, this.warnings, h("p", { class: "aside" }, "Stages may name these endpoints: ", ...known)),
          this.hints)),
      section("Submit", "",
        h("p", { class: "fields" }, h("label", { for: "priority" }, "priority"), this.priority, h("label", { for: "limit" }, "only so many seeds"), this.limit, this.go), this.said),
    );
  }

  begin(text) {
    if (text) this.editor.text = text;
    else this.fill(FIRST);
  }

  fill(name) {
    const before = this.editor.text;
    this.back.hidden = before === this.made || before === "";
    this.back.onclick = () => ((this.editor.text = before), this.editor.go([0, 0]), (this.back.hidden = true));
    this.template = name;
    this.made = write(TEMPLATES[name](this.given));
    this.editor.text = this.made;
  }

  // A file is chosen: a template is made anew for its columns, and what somebody wrote gets its id and stays.
  async chosen(id, name) {
    if (!id) return;
    const beginning = await start(`/v1/files/${id}/content`, BEGINNING, this.signal).catch((error) => (set(this.sent, error.message), ""));
    this.given = { ...this.given, file: id, columns: columnsOf(name, beginning).filter((one) => /^[A-Za-z_]\w*$/.test(one)) };
    set(this.sent, this.given.columns.length ? `Its columns: ${cut(this.given.columns.join(", "), 500)}` : "");
    if (this.editor.text === this.made) return this.fill(this.template);
    const { value } = read(this.editor.text); // null where it is no JSON
    if (!isObject(value)) return;
    this.editor.text = write({ ...value, source: { type: "upload", ...value.source, file_id: id } });
  }

  async upload(file) {
    if (!file) return;
    try {
      const made = await upload(file, (sent, all) => set(this.sent, `${percent(sent, all) || "0 %"} of ${bytes(all)} sent`));
      this.file.append(option(made));
      this.file.value = made.id;
      set(this.sent, "");
      await this.chosen(made.id, made.filename);
    } catch (error) {
      set(this.sent, `${file.name}: ${error.message}`);
    }
  }

  typed() {
    this.hint();
    draft = this.editor.text === this.made ? "" : this.editor.text;
    this.key = "";
    clearTimeout(this.timer);
    this.checking?.abort();
    this.timer = setTimeout(() => this.check(), Math.max(TYPING_MS, 2 * this.took)); // a long source takes its time
  }

  // Say what may stand where the cursor is; while the text is no JSON what was said before stays.
  hint() {
    const { value, spans } = read(this.editor.text);
    if (!isObject(value)) return;
    this.hints.show(keysAt(this.schema, value, placeAt(spans, this.editor.offset)));
  }

  async check() {
    const text = this.editor.text;
    const { value, spans, fault } = read(text);
    if (fault) return this.tell([{ loc: "", message: fault.message, span: [fault.at, fault.at + 1] }], text);
    if (!isObject(value)) return this.tell([{ loc: "", message: "a pipeline is an object, in braces", span: [0, 1] }], text);
    this.checking = new AbortController();
    this.verdict.className = "verdict";
    set(this.verdict, "Looking it over …");
    const begun = performance.now();
    try {
      const found = await ask("POST", "/v1/jobs/check", { body: { pipeline: value }, signal: this.checking.signal });
      this.took = performance.now() - begun;
      const errors = found.errors.map((one) => ({ ...one, span: span(spans, one.loc) }));
      this.tell(errors.sort((one, other) => one.span[0] - other.span[0]), text, found);
    } catch (error) {
      if (error.name !== "AbortError") this.tell([{ loc: "", message: error.message, span: [0, 1] }], text);
    }
  }

  tell(errors, text, found = null) {
    this.editor.mark(errors.map((one) => lineOf(text, one.span[0])));
    this.verdict.className = `verdict ${errors.length ? "bad" : "good"}`;
    const seeds = found?.seeds;
    set(this.verdict, errors.length ? (errors.length === 1 ? "One thing is wrong:" : `${number(errors.length)} things are wrong:`) : `It can be submitted: ${number(seeds ?? 0)} ${seeds === 1 ? "seed" : "seeds"} will be read.`);
    replace(
      this.errors,
      ...errors.map((one) => {
        const place = h("span", { class: "place" }, `line ${lineOf(text, one.span[0])}${one.loc ? `, ${one.loc}` : ""}`);
        return h("li", {}, h("button", { type: "button", on: { click: () => this.editor.go(one.span) } }, place, " ", one.message));
      }),
    );
    this.warnings.replaceChildren(...(found?.warnings ?? []).map((words) => note(words)));
  }

  // Submit what stands there. Pressed again after a broken connection it is the same job, by its key.
  async submit() {
    if (this.go.hasAttribute("aria-disabled")) return;
    clearTimeout(this.timer);
    const { value, fault } = read(this.editor.text);
    if (fault) return this.check();
    const body = { pipeline: value, priority: Number(this.priority.value), limit: this.limit.value ? Number(this.limit.value) : null };
    this.key ||= [...crypto.getRandomValues(new Uint8Array(16))].map((one) => one.toString(16).padStart(2, "0")).join("");
    this.go.setAttribute("aria-disabled", "true"); // and not disabled, which would take the focus away
    try {
      const job = await ask("POST", "/v1/jobs", { body, key: this.key });
      draft = "";
      if (!this.signal.aborted) location.hash = `#/jobs/${job.id}`;
    } catch (error) {
      this.go.removeAttribute("aria-disabled");
      this.said.replaceChildren(note(`${error.message}.`, "bad"));
      if (error.errors?.length) this.check();
    }
  }
}

const option = (file) => h("option", { value: file.id, "data-name": file.filename }, `${file.filename} (${bytes(file.bytes)}, ${when(file.created_at)})`);
