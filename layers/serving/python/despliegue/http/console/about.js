/** What there is to know of a model: its classes, its signature, its card, and documents to save. */

import { link, readCard } from "./description.js";
import { element, problem, save, table } from "./elements.js";
import { writeCsv } from "./csv.js";

/** @typedef {import("./description.js").Model} Model */
/** @typedef {import("./description.js").Tensor} Tensor */

/**
 * @param {HTMLElement} container
 * @param {Model} model
 */
export function showFacts(container, model) {
  const facts = [];
  if (model.labels.length) {
    const classes = model.labels.map((label) => element("li", {}, label));
    facts.push(element("h3", {}, "Classes"), element("ul", { class: "classes", tabindex: 0, "aria-label": "Classes" }, ...classes));
  }
  facts.push(
    element("h3", {}, "Signature"),
    table("Inputs (? is any size)", ["input", "type", "shape"], model.inputs.map(line)),
    table("Outputs", ["output", "type", "shape"], model.outputs.map(line)),
  );
  facts.push(card(model), element("h3", {}, "To save"), buttons(model));
  container.replaceChildren(...facts);
}

/**
 * That the version is on its way out; nothing where it is not.
 * @param {Model} model
 * @returns {Node[]}
 */
export function deprecation({ name, version, deprecated }) {
  if (!deprecated) return [];
  const { since, sunset, successor } = deprecated;
  const gone = sunset ? `, and may be gone from ${day(sunset)} on` : "";
  const text = element("p", { class: "warning" }, `Version ${version} is deprecated as of ${day(since)}${gone}.`);
  if (successor) text.append(" Use ", element("a", { href: link(name, successor) }, `version ${successor}`), " instead.");
  return [text];
}

/** @param {string} date such as 2026-11-28 */
function day(date) {
  return new Date(date).toLocaleDateString("en-GB", { dateStyle: "long", timeZone: "UTC" });
}

/**
 * Asked for when it is opened: many models have none.
 * @param {Model} model
 */
function card(model) {
  const text = element("pre", { tabindex: 0, role: "region", "aria-label": "The model's card" }, "…");
  const toggle = async (/** @type {Event} */ event) => {
    if (!(/** @type {HTMLDetailsElement} */ (event.target).open)) return;
    try {
      text.textContent = await readCard(model);
    } catch (error) {
      text.replaceWith(problem(error));
    }
  };
  return element("details", { toggle }, element("summary", {}, "The model's card"), text);
}

/** @param {Model} model */
function buttons(model) {
  const name = `${model.name}-${model.version}`;
  const saves = [button("OpenAPI document", () => save(`${name}.openapi.json`, model.document, "application/json"))];
  const record = model.example?.instances?.[0];
  if (record && model.columns.length) {
    const rows = [model.columns, model.columns.map((column) => String(record[column] ?? ""))];
    saves.push(button("Example as CSV", () => save(`${model.name}.csv`, writeCsv(rows), "text/csv")));
  }
  return element("p", { class: "buttons" }, ...saves);
}

/**
 * @param {string} text
 * @param {() => void} click
 */
function button(text, click) {
  return element("button", { type: "button", click }, text);
}

/** @param {Tensor} tensor */
function line({ name, datatype, shape }) {
  return [name, datatype, `[${shape.map((size) => (size < 0 ? "?" : size)).join(", ")}]`];
}
