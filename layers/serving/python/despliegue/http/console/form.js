/** The form: a field for each feature, or the whole request as JSON. What is typed is sent as it is: the service judges. */

import { element } from "./elements.js";

/** @typedef {import("./description.js").Model} Model */
/** @typedef {import("./description.js").Feature} Feature */

/**
 * @typedef {object} Form
 * @property {() => string} body the request, in JSON
 * @property {() => void} fill writes the example in
 * @property {(message: string) => void} mark shows which field an error names; an empty message names none
 */

const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const WORDS = new Map([["string", "text"], ["integer", "whole number"], ["number", "number"], ["boolean", "yes or no"]]);

/**
 * Puts the form for `model` into `container`.
 * @param {HTMLElement} container
 * @param {Model} model
 * @returns {Form}
 */
export function makeForm(container, model) {
  return model.features.length ? fieldsFor(container, model) : editorFor(container, model);
}

/**
 * @param {HTMLElement} container
 * @param {Model} model
 * @returns {Form}
 */
function fieldsFor(container, model) {
  const example = model.example?.instances?.[0] ?? {};
  const fields = model.features.map((feature, number) => new Field(feature, `feature-${number}`, example[feature.name]));
  container.className = "fields";
  container.replaceChildren(...fields.map((field) => field.box));
  return {
    body() {
      const members = fields.map((field) => field.member()).filter(Boolean);
      return members.length ? `{"instances": [{\n  ${members.join(",\n  ")}\n}]}` : '{"instances": [{}]}';
    },
    fill: () => fields.forEach((field) => field.fill()),
    mark(message) {
      const named = fields.filter((field) => message.includes(`'${field.feature.name}'`));
      fields.forEach((field) => field.mark(named.includes(field) ? message : ""));
      named[0]?.input.focus();
    },
  };
}

class Field {
  /**
   * @param {Feature} feature
   * @param {string} id
   * @param {unknown} example its value there; undefined where it has none
   */
  constructor(feature, id, example) {
    this.feature = feature;
    this.example = example;
    const kind = WORDS.get(feature.type) ?? feature.type;
    this.input = this.makeInput(id, kind);
    this.missing = element("input", { type: "checkbox", "aria-label": `${feature.name} is missing`, change: () => this.follow() });
    const head = element("label", { for: id }, feature.name);
    const toggle = element("label", { class: "missing" }, this.missing, element("span", { "aria-hidden": "true" }, "missing"));
    const foot = element("div", { class: "foot" }, element("span", { class: "hint", id: `${id}-kind` }, kind));
    if (feature.nullable || feature.optional) foot.append(toggle);
    this.fault = element("p", { class: "fault", id: `${id}-fault` });
    this.box = element("div", { class: "field" }, head, this.input, foot, this.fault);
    this.fill();
  }

  /**
   * @param {string} id
   * @param {string} kind
   */
  makeInput(id, kind) {
    const settings = { id, "aria-describedby": `${id}-fault ${id}-kind`, autocomplete: "off", "aria-invalid": "false" };
    if (this.feature.choices) {
      return element("select", settings, ...this.feature.choices.map((choice) => element("option", {}, String(choice))));
    }
    // Not type=number: it hides what it cannot read, and reads 1,5 differently from one language to the next.
    const mode = kind === "number" || kind === "whole number" ? "decimal" : "text";
    const placeholder = this.example === undefined || this.example === null ? "" : `such as ${this.example}`;
    return element("input", { ...settings, type: "text", inputmode: mode, placeholder, spellcheck: "false" });
  }

  fill() {
    this.missing.checked = this.example === null || (this.example === undefined && (this.feature.nullable || this.feature.optional));
    if (this.example !== undefined && this.example !== null) this.input.value = String(this.example);
    this.follow();
  }

  follow() {
    this.input.disabled = this.missing.checked;
  }

  /** @param {string} message what is wrong with it; empty where nothing is */
  mark(message) {
    this.fault.textContent = message;
    this.input.setAttribute("aria-invalid", String(Boolean(message)));
  }

  /** Its part of the record, in JSON; empty where it is left out. */
  member() {
    const { name, type, choices, nullable } = this.feature;
    const typed = this.input.value;
    let value = JSON.stringify(typed);
    if (this.missing.checked) {
      if (!nullable) return "";
      value = "null";
    } else if (choices) {
      value = JSON.stringify(choices.find((choice) => String(choice) === typed) ?? null);
    } else if (type !== "string") {
      if (!typed.trim()) return "";
      if (JSON_NUMBER.test(typed.trim())) value = typed.trim(); // digit for digit: a double would round long integers
    }
    return `${JSON.stringify(name)}: ${value}`;
  }
}

/**
 * @param {HTMLElement} container
 * @param {Model} model
 * @returns {Form}
 */
function editorFor(container, model) {
  const settings = { id: "request", rows: 14, spellcheck: "false", autocomplete: "off", "aria-invalid": "false" };
  const editor = element("textarea", settings);
  const fill = () => {
    editor.value = model.example ? pretty(model.example) : "";
  };
  container.className = "editor";
  container.replaceChildren(element("label", { for: "request" }, "The request, in JSON"), editor);
  fill();
  return { body: () => editor.value, fill, mark: (message) => editor.setAttribute("aria-invalid", String(Boolean(message))) };
}

/**
 * JSON with an entry a line, but arrays of plain values on one.
 * @param {unknown} value
 */
function pretty(value) {
  return JSON.stringify(value, null, 2).replace(/\[\s+([^[\]{}]*?)\s+\]/g, (_, items) => `[${items.replace(/,\s+/g, ", ")}]`);
}
