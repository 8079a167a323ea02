/** The form: a field for each feature, a picture, or the request as JSON. What is typed is sent as it is: the service judges. */

import { element } from "./elements.js";
import { pictureFor } from "./picture.js";

/** @typedef {import("./description.js").Model} Model */
/** @typedef {import("./description.js").Feature} Feature */

/**
 * @typedef {object} Content
 * @property {string | Blob | null} body null where it is not there yet
 * @property {string} type its content type
 * @property {string} fileName of the file that it is; empty where it was typed
 */

/**
 * @typedef {object} Form
 * @property {() => Content} content what to send
 * @property {() => void} fill writes the example in
 * @property {(message: string) => void} mark shows which field an error names; an empty message names none
 */

const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
/** A text longer than this has several lines to be read in. */
const LONG_TEXT = 60;
const ANOTHER = "another…";
const WORDS = new Map([["string", "text"], ["integer", "whole number"], ["number", "number"], ["boolean", "yes or no"]]);

/**
 * Puts the form for `model` into `container`.
 * @param {HTMLElement} container
 * @param {Model} model
 * @param {() => void} changed is called when what is to be sent changed by other ways than input
 * @returns {Form}
 */
export function makeForm(container, model, changed) {
  if (model.mediaTypes.length) return pictureFor(container, model, changed);
  return model.features.length ? fieldsFor(container, model) : editorFor(container, model);
}

/**
 * @param {HTMLElement} container
 * @param {Model} model
 * @returns {Form}
 */
function fieldsFor(container, model) {
  const example = new Map(Object.entries(model.example?.instances?.[0] ?? {}));
  const alone = model.features.length === 1;
  const fields = model.features.map((feature, number) => new Field(feature, `feature-${number}`, example.get(feature.name), alone));
  container.className = "fields";
  container.replaceChildren(...fields.map((field) => field.box));
  return {
    content() {
      const members = fields.map((field) => field.member()).filter(Boolean);
      return json(members.length ? `{"instances": [{\n  ${members.join(",\n  ")}\n}]}` : '{"instances": [{}]}');
    },
    fill: () => fields.forEach((field) => field.fill()),
    mark(message) {
      const named = fields.filter((field) => message.includes(`'${field.feature.name}'`));
      fields.forEach((field) => field.mark(named.includes(field) ? message : ""));
      named[0]?.asked.focus();
    },
  };
}

class Field {
  /**
   * @param {Feature} feature
   * @param {string} id
   * @param {unknown} example its value there; undefined where it has none
   * @param {boolean} alone there is no other
   */
  constructor(feature, id, example, alone) {
    this.feature = feature;
    this.example = example;
    this.isText = feature.type === "string" && !feature.choices && (alone || String(example ?? "").length > LONG_TEXT);
    this.isOpen = feature.type === "string" && Boolean(feature.choices);
    const words = WORDS.get(feature.type) ?? feature.type;
    const usually = feature.usual ? `usually ${feature.usual.join(" to ")}` : "";
    const kind = feature.type === "number" && usually ? usually : [words, usually].filter(Boolean).join(", ");
    this.input = this.makeInput(id);
    /** For a text that is none of the choices. */
    this.other = element("input", { type: "text", "aria-label": `${feature.name}, another`, "aria-describedby": `${id}-fault`, autocomplete: "off", spellcheck: "false" });
    this.missing = element("input", { type: "checkbox", "aria-label": `${feature.name} is missing`, change: () => this.follow() });
    const head = element("label", { for: id }, feature.name);
    const toggle = element("label", { class: "missing" }, this.missing, element("span", { "aria-hidden": "true" }, "missing"));
    this.unusual = element("span", { class: "unusual", "aria-live": "polite" });
    const foot = element("div", { class: "foot" }, element("p", { class: "hint", id: `${id}-kind` }, kind, " ", this.unusual));
    if (feature.nullable || feature.optional) foot.append(toggle);
    this.fault = element("p", { class: "fault", id: `${id}-fault` });
    const below = element("div", { class: "below" }, this.input, ...(this.isOpen ? [this.other] : []), foot, this.fault);
    this.box = element("div", { class: this.isText ? "field whole" : "field" }, head, below);
    this.fill();
  }

  /** @param {string} id */
  makeInput(id) {
    // Not at `change`: what is moved then is no longer under the click that left the field.
    const input = () => this.follow();
    const settings = { id, "aria-describedby": `${id}-fault ${id}-kind`, autocomplete: "off", "aria-invalid": "false", input };
    const { choices } = this.feature;
    if (choices) {
      // Not a datalist: with a value in the field, it offers only what resembles that.
      const words = [...choices.map(String), ...(this.isOpen ? [ANOTHER] : [])];
      return element("select", settings, ...words.map((word) => element("option", {}, word)));
    }
    const placeholder = this.example === undefined || this.example === null ? "" : `such as ${this.example}`;
    if (this.isText) return element("textarea", { ...settings, rows: 5, placeholder });
    // Not type=number: it hides what it cannot read, and reads 1,5 differently from one language to the next. Nor
    // inputmode=decimal: a phone's keys for it have no minus.
    return element("input", { ...settings, type: "text", placeholder, spellcheck: "false" });
  }

  fill() {
    this.missing.checked = this.example === null || (this.example === undefined && (this.feature.nullable || this.feature.optional));
    const isKnown = this.example !== undefined && this.example !== null;
    const value = String(this.example ?? "");
    if (this.input instanceof HTMLSelectElement) {
      const place = this.feature.choices?.map(String).indexOf(value) ?? -1;
      this.input.selectedIndex = place < 0 && isKnown && this.isOpen ? this.input.length - 1 : place;
      this.other.value = place < 0 ? value : "";
    } else if (isKnown) this.input.value = value;
    this.follow();
  }

  /** What follows from what is typed or chosen. It is sent, however unusual it is. */
  follow() {
    this.input.disabled = this.other.disabled = this.missing.checked;
    this.other.hidden = this.asked !== this.other;
    const [low, high] = this.feature.usual ?? [];
    const typed = this.input.value.trim();
    const value = JSON_NUMBER.test(typed) && !this.missing.checked ? Number(typed) : NaN;
    this.unusual.textContent = low > value ? "Lower than usual" : high < value ? "Higher than usual" : "";
  }

  /** What its value is read from. */
  get asked() {
    const isAnother = this.input instanceof HTMLSelectElement && this.input.selectedIndex === this.feature.choices?.length;
    return isAnother ? this.other : this.input;
  }

  /** @param {string} message what is wrong with it; empty where nothing is */
  mark(message) {
    this.fault.textContent = message;
    for (const each of [this.input, this.other]) each.setAttribute("aria-invalid", String(Boolean(message) && each === this.asked));
  }

  /** Its part of the record, in JSON; empty where it is left out. */
  member() {
    const { name, type, choices, nullable } = this.feature;
    const typed = this.asked.value;
    let value = JSON.stringify(typed);
    if (this.missing.checked) {
      if (!nullable) return "";
      value = "null";
    } else if (choices && this.asked === this.input) {
      const place = /** @type {HTMLSelectElement} */ (this.input).selectedIndex;
      if (place < 0) return "";
      value = JSON.stringify(choices[place]);
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
  return { content: () => json(editor.value), fill, mark: (message) => editor.setAttribute("aria-invalid", String(Boolean(message))) };
}

/**
 * @param {string} body
 * @returns {Content}
 */
function json(body) {
  return { body, type: "application/json", fileName: "" };
}

/**
 * JSON with an entry a line, but arrays of plain values on one.
 * @param {unknown} value
 */
function pretty(value) {
  return JSON.stringify(value, null, 2).replace(/\[\s+([^[\]{}]*?)\s+\]/g, (_, items) => `[${items.replace(/,\s+/g, ", ")}]`);
}
