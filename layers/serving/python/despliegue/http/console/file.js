/** Scoring a CSV file: its columns for the model go to the service, and come back beside their predictions. */

import { readCsv, writeCsv } from "./csv.js";
import { element, save, table } from "./elements.js";
import { isClassification } from "./predictions.js";
import { askJson, Problem } from "./service.js";

/** @typedef {import("./description.js").Model} Model */

/** What one request carries when deployed: Lambda takes 6 MB, in base64. */
export const MOST_BYTES = 4_500_000;
const SHOWN_ROWS = 10;

/**
 * @param {Model} model
 * @param {File} file
 * @returns {Promise<Node[]>} what came of it
 * @throws {Problem} it cannot be scored, or was refused
 */
export async function scoreFile(model, file) {
  const rows = await readFile(model, file);
  const [names, ...records] = rows;
  const kept = model.columns.filter((column) => names.includes(column));
  const positions = kept.map((column) => names.indexOf(column));
  // Where no name is known there may be no header: then the service tells, of the file as it is.
  const sent = kept.length ? [kept, ...records.map((record) => positions.map((at) => record[at] ?? ""))] : rows;
  const { predictions } = await askRows(model, writeCsv(sent));
  const added = columnsOf(predictions);
  const heads = kept.length ? names : model.columns;
  const data = kept.length ? records : rows;
  const missing = kept.length ? model.columns.filter((column) => !kept.includes(column)) : [];
  return showScored(file.name, heads, data, added, missing);
}

/**
 * The predictions of a CSV; a row that is refused is counted from 1, as the rest of this page and a spreadsheet do.
 * @param {Model} model
 * @param {string} body
 */
async function askRows(model, body) {
  try {
    return await askJson(`${model.below}/invocations`, { method: "POST", body, type: "text/csv" });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const message = error.message.replace(/^Row ([\d,]+)/, (_, row) => `Row ${(Number(row.replaceAll(",", "")) + 1).toLocaleString("en")}`);
    const way = /^Row [\d,]+: /.test(message) ? ` Mend that row or leave it out, or ${asFile(model)}: that scores the others, and lists such rows.` : "";
    throw error.saying(message + way);
  }
}

/**
 * The way for what one request cannot do.
 * @param {Model} model
 */
function asFile({ name, version, below }) {
  return `score the file with despliegue score --model ${name}@${version} INPUT OUTPUT on your machine, or POST v2/${below}/jobs where the service is deployed`;
}

/**
 * @param {Model} model
 * @param {File} file
 */
async function readFile(model, file) {
  const bytes = await readBytes(file, `Split it, or ${asFile(model)}: there it may have any size.`);
  if (new Uint8Array(bytes).includes(0)) {
    throw new Problem("This is no CSV", `${file.name} holds something else than text in UTF-8: a spreadsheet, perhaps? Save it there as "CSV UTF-8".`);
  }
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Problem("The file cannot be read", `${file.name} is not text in UTF-8. In a spreadsheet, save it as "CSV UTF-8".`);
  }
  let rows;
  try {
    rows = readCsv(text);
  } catch (error) {
    throw new Problem("The file is not CSV", `${file.name}: ${/** @type {Error} */ (error).message}.`);
  }
  if (rows.length === 0) throw new Problem("The file has no rows", `${file.name} has nothing but empty lines.`);
  const ragged = rows.findIndex((row) => row.length !== rows[0].length);
  if (ragged > 0) {
    throw new Problem("The file is not a table", `Row ${ragged} of ${file.name} has ${rows[ragged].length} fields; its first line has ${rows[0].length}.`);
  }
  return rows;
}

/**
 * What a file holds, now: it may change before it is sent.
 * @param {File} file
 * @param {string} way round the limit
 * @returns {Promise<ArrayBuffer>}
 * @throws {Problem} one request cannot carry it, it is empty, or it cannot be read
 */
export async function readBytes(file, way) {
  if (file.size > MOST_BYTES) {
    const sizes = `${file.name} has ${megabytes(file.size)}; a request carries about ${megabytes(MOST_BYTES)}.`;
    throw new Problem("The file is too large for one request", `${sizes} ${way}`);
  }
  if (file.size === 0) throw new Problem("The file is empty", `${file.name} holds nothing.`);
  try {
    return await file.arrayBuffer();
  } catch {
    throw new Problem("The file cannot be read", `${file.name} cannot be opened. Is it a folder, or was it moved?`);
  }
}

/**
 * The predictions as columns, called as scored files call them.
 * @param {any[]} predictions
 * @returns {{name: string, values: string[]}[]}
 */
function columnsOf(predictions) {
  const [first] = predictions;
  if (first === undefined) return [];
  if (typeof first !== "object" || first === null) return [{ name: "prediction", values: predictions.map(written) }];
  if (isClassification(first)) {
    const classes = Object.keys(first.probabilities);
    return [
      { name: "label", values: predictions.map(({ label }) => written(label)) },
      ...classes.map((name) => ({
        name: `probability_${name}`,
        values: predictions.map(({ probabilities }) => written(probabilities[name])),
      })),
    ];
  }
  return Object.keys(first).flatMap((name) => {
    const flat = predictions.map((prediction) => [prediction[name]].flat(Infinity));
    return flat[0].map((_, at) => ({
      name: flat[0].length === 1 ? name : `${name}_${at}`,
      values: flat.map((row) => written(row[at])),
    }));
  });
}

/**
 * @param {string} fileName
 * @param {string[]} heads
 * @param {string[][]} records
 * @param {{name: string, values: string[]}[]} added
 * @param {string[]} missing features that the file has no column for
 * @returns {Node[]}
 */
function showScored(fileName, heads, records, added, missing) {
  let prefix = "";
  while (added.some(({ name }) => heads.includes(prefix + name))) prefix += "predicted_";
  const names = added.map(({ name }) => prefix + name);
  const rows = records.map((record, at) => [...record, ...added.map(({ values }) => values[at])]);
  const shown = records.slice(0, SHOWN_ROWS).map((record, at) => [at + 1, ...added.map(({ values }) => values[at]), ...record]);
  const target = `${fileName.replace(/\.csv$/i, "")}.scored.csv`;
  const count = `${records.length.toLocaleString("en")} ${records.length === 1 ? "row" : "rows"} scored`;
  const first = shown.length === 1 ? "The first row" : `The first ${shown.length} rows`;
  const nodes = [
    element("p", { class: "answer small" }, count),
    element(
      "p",
      { class: "buttons" },
      element("button", { type: "button", class: "primary", click: () => save(target, writeCsv([[...heads, ...names], ...rows]), "text/csv") }, `Save ${target}`),
    ),
    table(`${first}: predictions, then the file's columns`, ["row", ...names, ...heads], shown),
  ];
  if (missing.length) {
    const warning = `The file has no column for ${missing.join(", ")}: every value was taken as missing. Names must be the model's own.`;
    nodes.splice(1, 0, element("p", { class: "warning" }, warning));
  }
  return nodes;
}

/** @param {unknown} value */
function written(value) {
  return value === null || value === undefined ? "" : String(value);
}

/** @param {number} bytes */
export function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
