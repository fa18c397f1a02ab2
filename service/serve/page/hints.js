// What may stand at a place of a pipeline: the keys of the innermost object around it, read from the JSON Schema.

import { h } from "./dom.js";
import { isObject } from "./places.js";

// Return the part of the schema that describes a value: references followed, and of several forms the one that fits.
function fitting(schema, part, value) {
  if (!part) return null;
  if (part.$ref) return fitting(schema, schema.$defs[part.$ref.split("/").pop()], value);
  if (part.discriminator) {
    const forms = part.discriminator.mapping;
    const form = isObject(value) ? forms[value.type] : undefined;
    return form ? fitting(schema, { $ref: form }, value) : { properties: { type: { enum: Object.keys(forms) } } };
  }
  const forms = (part.anyOf ?? part.oneOf)?.map((one) => fitting(schema, one, value)) ?? [part];
  return forms.find((one) => (isObject(value) && (one?.properties || isObject(one?.additionalProperties))) || (Array.isArray(value) && one?.items)) ?? forms[0];
}

function kind(schema, part) {
  if (part.$ref) return kind(schema, schema.$defs[part.$ref.split("/").pop()]);
  if (part.enum) return part.enum.map((one) => JSON.stringify(one)).join(" | ");
  if (part.const !== undefined) return JSON.stringify(part.const);
  if (part.discriminator) return "object";
  if (part.anyOf ?? part.oneOf) return [...new Set((part.anyOf ?? part.oneOf).map((one) => kind(schema, one)).filter((one) => one !== "null"))].join(" or ");
  if (part.type === "array") return part.items && kind(schema, part.items) !== "any" ? `list of ${kind(schema, part.items)}` : "list";
  return { string: "text", integer: "whole number", boolean: "true or false" }[part.type] ?? part.type ?? "any";
}

// Return { place, about, keys } of the innermost object that a place stands in; `at` is the key that leads on from it.
export function keysAt(schema, value, place) {
  let [part, here, now] = [fitting(schema, schema, value), value, ""];
  let found = { place: "", about: "", keys: part, value, at: "" };
  for (const step of place.match(/[^.[\]]+|\[\d+\]/g) ?? []) {
    const number = /^\[(\d+)\]$/.exec(step)?.[1];
    const inner = number === undefined ? (part?.properties?.[step] ?? part?.additionalProperties) : part?.items;
    if (number === undefined && found.value === here) found.at = step;
    here = here?.[number ?? step];
    now = number === undefined ? (now ? `${now}.${step}` : step) : `${now}${step}`;
    part = fitting(schema, isObject(inner) ? inner : null, here);
    if (isObject(here) && part?.properties) found = { place: now, about: part.description ?? "", keys: part, value: here, at: "" };
  }
  const needed = found.keys.required ?? [];
  const keys = Object.entries(found.keys.properties).map(([name, one]) => ({
    name, kind: kind(schema, one), about: one.description ?? "", standard: one.default, needed: needed.includes(name), given: name in found.value,
  }));
  return { place: found.place, about: found.about, at: found.at, keys };
}

// Show them: the key where the cursor is first, then those that are given, then the others.
export function hints() {
  const list = h("dl");
  const title = h("h3");
  const about = h("p", { class: "aside" });
  const element = h("aside", { class: "hints", tabindex: "0", "aria-label": "What may stand here" }, title, about, list);
  let told = "";
  element.show = (found) => {
    if (told === JSON.stringify(found)) return;
    told = JSON.stringify(found);
    title.textContent = found.place || "pipeline";
    about.textContent = found.about;
    const rank = (key) => (key.name === found.at ? 0 : key.given ? 1 : 2);
    const keys = [...found.keys].sort((one, other) => rank(one) - rank(other));
    list.replaceChildren(...keys.flatMap((key) => [term(key, found.at), h("dd", {}, key.about)]));
    element.scrollTop = 0;
  };
  return element;
}

function term(key, at) {
  const plain = key.standard === undefined || key.standard === null || key.standard === "" || (typeof key.standard === "object" && !Object.keys(key.standard).length);
  const more = key.needed ? ", needed" : plain ? "" : `, else ${JSON.stringify(key.standard)}`;
  return h("dt", { class: key.name === at ? "at" : key.given ? "given" : "" }, h("code", {}, key.name), h("small", {}, ` ${key.kind}${more}`));
}
