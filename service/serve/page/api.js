// What the page asks of the service: JSON, events, uploads and downloads, with the token where there is one.

const KEY = "tamis.token"; // in this tab's session only, never in a cookie and never on the disk

export const token = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => (value ? sessionStorage.setItem(KEY, value) : sessionStorage.removeItem(KEY)),
};

// An answer that is not what was asked for, in the service's own words. `errors`: what is wrong with a pipeline.
export class Refused extends Error {
  constructor(status, body) {
    super(body?.error?.message ?? `the service answered ${status}`);
    this.status = status;
    this.code = body?.error?.code ?? null;
    this.errors = body?.errors ?? [];
  }
}

// Nobody answered.
export class Unreachable extends Error {
  constructor() {
    super("the service cannot be reached");
  }
}

const headers = () => (token.get() ? { Authorization: `Bearer ${token.get()}` } : {});

async function send(method, path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, { method, ...options, headers: { ...headers(), ...options.headers } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unreachable();
  }
  if (!answer.ok) throw new Refused(answer.status, await answer.json().catch(() => null));
  return answer;
}

export async function ask(method, path, { body, signal, key } = {}) {
  const options = { signal, headers: {} };
  if (key) options.headers["Idempotency-Key"] = key;
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  return (await send(method, path, options)).json();
}

export const get = (path, signal) => ask("GET", path, { signal });

export const query = (values) =>
  new URLSearchParams(Object.entries(values).filter(([, value]) => value !== "" && value !== undefined && value !== null)).toString();

// Server-sent events, read by fetch since an EventSource cannot carry a token. Yields [kind, data].
export async function* events(path, signal) {
  const answer = await send("GET", path, { signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { value, done } = await reader.read().catch((error) => {
      throw signal.aborted ? error : new Unreachable(); // the stream broke off
    });
    if (done) return;
    const frames = (waiting + value).split("\n\n");
    waiting = frames.pop();
    for (const frame of frames) {
      const fields = new Map(frame.split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
      if (fields.has("event")) yield [fields.get("event"), JSON.parse(fields.get("data"))];
    }
  }
}

// Return the beginning of a file as text; the rest is not waited for.
export async function start(path, size, signal) {
  const reader = (await send("GET", path, { signal })).body.getReader();
  const text = new TextDecoder();
  let found = "";
  while (found.length < size) {
    const { value, done } = await reader.read();
    if (done) break;
    found += text.decode(value, { stream: true });
  }
  reader.cancel().catch(() => {});
  return found.slice(0, size);
}

// Upload a file; `told` hears how much of it has gone. A fetch could not tell.
export function upload(file, told) {
  const form = new FormData();
  form.append("purpose", "seeds");
  form.append("file", file);
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/v1/files");
    for (const [name, value] of Object.entries(headers())) request.setRequestHeader(name, value);
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => told(event.loaded, event.total));
    request.addEventListener("error", () => failed(new Unreachable()));
    request.addEventListener("load", () =>
      request.status < 300 ? done(request.response) : failed(new Refused(request.status, request.response)),
    );
    request.send(form);
  });
}

// Save a file. A link cannot carry a token, so with one the bytes come by fetch.
export async function download(path, name) {
  const url = URL.createObjectURL(await (await send("GET", path)).blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

const pause = (ms, signal) =>
  new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
  });

const seen = (signal) =>
  new Promise((done) => {
    if (!document.hidden || signal.aborted) return done();
    const look = () => {
      if (document.hidden && !signal.aborted) return;
      document.removeEventListener("visibilitychange", look);
      done();
    };
    document.addEventListener("visibilitychange", look);
    signal.addEventListener("abort", look, { once: true });
  });

// Do something again and again while the page is looked at; it returns how many milliseconds to wait, or nothing to
// end. Where the service is away it is tried again, and `away(true)` says so.
export async function repeat(signal, away, work) {
  while (!signal.aborted) {
    let wait = 3000;
    try {
      wait = await work();
      away(false);
    } catch (error) {
      if (!(error instanceof Unreachable || error.status >= 500)) throw error;
      away(true);
    }
    if (wait === undefined) return;
    await pause(wait, signal);
    await seen(signal);
  }
}
