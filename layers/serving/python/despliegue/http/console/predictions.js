/** Predictions as a person reads them: a label with its probabilities, a number, or a table of outputs. */

import { element, table } from "./elements.js";

const MOST_BARS = 12;
const LONGEST = 400;

/**
 * @typedef {object} Output
 * @property {string} name
 * @property {string} datatype
 * @property {number[]} shape
 * @property {any[]} data in row-major order
 * @property {{labels?: (string | number)[]}} [parameters]
 */

/**
 * The reply to one request, V1's or V2's, as elements.
 * @param {any} reply
 * @param {string[]} labels the model's
 * @returns {Node[]}
 */
export function showReply(reply, labels) {
  if (Array.isArray(reply.predictions)) return showPrediction(reply.predictions[0]);
  const classification = classificationIn(reply.outputs, labels);
  return classification ? showPrediction(classification) : [outputs(reply.outputs)];
}

/**
 * V2's outputs as the prediction that they are, if they are of one row: its label, and the probability of each class.
 * @param {Output[]} found
 * @param {string[]} labels
 */
function classificationIn(found, labels) {
  const [label, matrix, ...more] = [...found].sort((one, other) => one.shape.length - other.shape.length);
  const names = matrix?.parameters?.labels ?? labels;
  if (more.length || matrix?.shape.join() !== `1,${names.length}` || label.shape.join() !== "1") return null;
  return { label: label.data[0], probabilities: Object.fromEntries(names.map((name, at) => [name, matrix.data[at]])) };
}

/**
 * @param {any} prediction
 * @returns {Node[]}
 */
function showPrediction(prediction) {
  if (typeof prediction === "number" || prediction === null) {
    return [element("p", { class: "answer" }, number(prediction))];
  }
  if (isClassification(prediction)) {
    return [element("p", { class: "answer" }, String(prediction.label)), bars(prediction.probabilities, prediction.label)];
  }
  const rows = Object.entries(prediction ?? {}).map(([name, value]) => [name, short(JSON.stringify(value))]);
  return [table("The model's outputs", ["output", "value"], rows)];
}

/** @param {any} prediction */
export function isClassification(prediction) {
  return typeof prediction?.probabilities === "object" && prediction.probabilities !== null && !Array.isArray(prediction.probabilities) && "label" in prediction;
}

/**
 * @param {Record<string, number | null>} probabilities
 * @param {string | number} label
 */
function bars(probabilities, label) {
  const sorted = Object.entries(probabilities).sort(([, one], [, other]) => (other ?? -1) - (one ?? -1));
  const items = sorted.slice(0, MOST_BARS).map(([name, value]) => {
    const filled = element("span", { class: "filled" });
    filled.style.inlineSize = `${100 * Math.min(1, Math.max(0, value ?? 0))}%`;
    return element(
      "li",
      { class: name === String(label) ? "chosen" : "" },
      element("span", {}, name),
      element("span", { class: "value" }, percent(value)),
      element("span", { class: "bar", "aria-hidden": "true" }, filled),
    );
  });
  const more = sorted.length - items.length;
  const list = element("ul", { class: "bars", "aria-label": "Probability of each class" }, ...items);
  return more > 0 ? element("div", {}, list, element("p", { class: "hint" }, `and ${more} more, none of them likelier`)) : list;
}

/** @param {Output[]} found */
function outputs(found) {
  const rows = found.map(({ name, datatype, shape, data }) => [name, datatype, shape.join(" × ") || "one value", short(JSON.stringify(data))]);
  return table("The model's outputs", ["output", "type", "shape", "values"], rows);
}

/** @param {number | null} value */
function percent(value) {
  if (value === null) return "not a number";
  const digits = value > 0.0005 && value < 0.9995 ? 1 : 3;
  return `${(100 * value).toFixed(digits)} %`;
}

/** @param {number | null} value */
function number(value) {
  return value === null ? "not a number" : String(value);
}

/** @param {string} text */
function short(text) {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)} …` : text;
}
