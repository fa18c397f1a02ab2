// Pipelines to start from, made for the endpoints that there are and for the columns of the seeds.

import { isObject } from "./places.js";

const TASKS = ["question", "prompt", "instruction", "problem", "request", "task", "query", "text"];
const ANSWERS = ["answer", "solution", "target", "label", "reference", "output"];

function column(columns, names, other) {
  return names.find((name) => columns.includes(name)) ?? other;
}

function base(name, { file, columns }, stages, outputs) {
  const source = { type: "upload", file_id: file };
  if (columns.includes("id")) source.id = "id";
  return { name, seed: 7, source, stages, outputs };
}

const task = ({ columns }) => column(columns, TASKS, columns.find((name) => name !== "id") ?? "question");

const generate = (given, candidates) => ({
  type: "generate", endpoint: given.endpoint, prompts: [`{{ ${task(given)} }}`], candidates, temperature: [0.3, 0.8], max_tokens: 1024,
});

const sft = (given) => [{ format: "sft", prompt: `{{ ${task(given)} }}` }];

export const TEMPLATES = {
  "answers that are checked": (given) =>
    base("checked-answers", given, [
      generate(given, 4),
      { type: "verify", check: "numeric", against: `{{ ${column(given.columns, ANSWERS, "answer")} }}` },
      { type: "select", top: 1 },
    ], sft(given)),
  "answers that are judged": (given) => ({
    ...base("judged-answers", given, [
      generate(given, 4),
      { type: "judge", endpoint: given.endpoint, mode: "eliminate" },
      { type: "select", top: 1 },
    ], sft(given)),
    constitution: "helpful-honest-harmless",
  }),
  "the better and the worse": (given) => ({
    ...base("preferences", given, [
      generate(given, 4),
      { type: "rank", endpoint: given.endpoint, method: "swiss", order: "random" },
      { type: "select", top: 1, by: "rank" },
    ], [{ format: "dpo", prompt: `{{ ${task(given)} }}`, pairs: { rejected: ["select"] } }]),
    constitution: "helpful-honest-harmless",
  }),
};

// The columns of a seeds file, from its beginning; none where it cannot be told.
export function columnsOf(filename, beginning) {
  const line = beginning.split("\n", 1)[0];
  if (filename.endsWith(".csv")) return line.split(",").map((name) => name.trim().replace(/^"|"$/g, ""));
  try {
    const row = JSON.parse(line);
    return isObject(row) ? Object.keys(row) : [];
  } catch {
    return [];
  }
}
