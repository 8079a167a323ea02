/** What is known of a model: read off its metadata and its OpenAPI document. */

import { ask, askJson, readJson } from "./service.js";

/** Features of which a form is still of use to anyone; of more the request is written as JSON. */
const MOST_FIELDS = 200;

/**
 * @typedef {object} Feature
 * @property {string} name
 * @property {string} type JSON's: `number`, `integer`, `boolean` or `string`
 * @property {unknown[] | null} choices the values that it can have, or that a text usually has; null where they are not known
 * @property {[number, number] | null} usual between what a number usually is
 * @property {boolean} nullable null stands for a missing value
 * @property {boolean} optional it may be left out
 */

/**
 * @typedef {object} Tensor
 * @property {string} name
 * @property {string} datatype
 * @property {number[]} shape
 */

/**
 * @typedef {object} Deprecation
 * @property {string} since the day, as 2026-11-28
 * @property {string} [sunset] the day from which on the version may be gone
 * @property {string} [successor] the version to use in its stead
 */

/**
 * @typedef {object} Model
 * @property {string} name
 * @property {string} version
 * @property {string} defaultVersion what answers where no version is named
 * @property {Deprecation | null} deprecated that this version is on its way out
 * @property {string} description
 * @property {string[]} labels
 * @property {Tensor[]} inputs
 * @property {Tensor[]} outputs
 * @property {Feature[]} features its columns; none where it has none, or too many for a form
 * @property {string[]} columns their names, however many
 * @property {string[]} mediaTypes of the picture that it takes; none where it takes no picture
 * @property {string} below what its paths have in common: `models/NAME`, with the version where one is asked for
 * @property {string} path where predictions are asked for, below the root
 * @property {any} example a request that works, in JSON; null where none is known
 * @property {string} scheme what callers must prove: `apiKey`, `sigv4`, or empty
 * @property {string} document its OpenAPI document
 */

/**
 * Every model with its versions, in the service's order.
 * @returns {Promise<Map<string, {version: string, reason: string}[]>>}
 */
export async function listModels() {
  const index = await askJson("v2/repository/index", { method: "POST", body: "{}" });
  /** @type {Map<string, {version: string, reason: string}[]>} */
  const found = new Map();
  for (const { name, version, state, reason } of index) {
    if (!found.has(name)) found.set(name, []);
    found.get(name)?.push({ version, reason: state === "UNAVAILABLE" ? reason : "" });
  }
  return found;
}

/**
 * @param {string} name
 * @param {string} version the wanted one; empty for the default
 * @returns {Promise<Model>}
 */
export async function describe(name, version) {
  const below = address(name, version);
  const at = `v2/${below}`;
  const [metadata, text, standard] = await Promise.all([
    askJson(at),
    ask(`${at}/openapi.json`),
    version ? defaultVersion(name) : "",
  ]);
  const { parameters } = metadata;
  const document = readJson(text);
  /** @type {string[]} */
  const mediaTypes = metadata.inputs[0]?.parameters?.media_types ?? [];
  const predict = mediaTypes.length ? undefined : operation(document, ":predict");
  const properties = Object.entries(predict ? document.components.schemas.Record.properties : {});
  const required = document.components.schemas.Record?.required ?? [];
  const [path, { post }] = predict ?? operation(document, "/infer") ?? ["", { post: {} }];
  const example = post.requestBody?.content["application/json"]?.examples?.example?.value ?? null;
  return {
    name,
    version: parameters.version,
    defaultVersion: standard || parameters.version,
    deprecated: parameters.deprecated ?? null,
    description: parameters.description,
    labels: parameters.labels,
    inputs: metadata.inputs,
    outputs: metadata.outputs,
    columns: properties.map(([column]) => column),
    features: properties.length > MOST_FIELDS ? [] : properties.map(([column, schema]) => feature(column, schema, required)),
    mediaTypes,
    below,
    path: mediaTypes.length ? `${below}/invocations` : path.slice(1),
    example: mediaTypes.length ? null : example,
    scheme: Object.keys(document.components.securitySchemes ?? {})[0] ?? "",
    document: text,
  };
}

/**
 * The model's card, in Markdown.
 * @param {Model} model
 */
export function readCard(model) {
  return ask(`v2/${address(model.name, model.version)}/card`, { accept: "text/markdown" });
}

/**
 * Where this page shows it.
 * @param {string} name
 * @param {string} [version]
 */
export function link(name, version = "") {
  return `#/${encodeURIComponent(name)}${version ? `@${encodeURIComponent(version)}` : ""}`;
}

/**
 * @param {string} name
 * @param {string} version
 */
function address(name, version) {
  const at = `models/${encodeURIComponent(name)}`;
  return version ? `${at}/versions/${encodeURIComponent(version)}` : at;
}

/** @param {string} name */
async function defaultVersion(name) {
  try {
    return (await askJson(`v2/${address(name, "")}`)).parameters.version;
  } catch {
    return "none that answers"; // the default version is broken, but not the one that was asked for
  }
}

/**
 * @param {any} document
 * @param {string} ending of its path
 * @returns {[string, any] | undefined}
 */
function operation(document, ending) {
  return Object.entries(document.paths).find(([path]) => path.endsWith(ending));
}

/**
 * @param {string} name
 * @param {any} schema
 * @param {string[]} required
 * @returns {Feature}
 */
function feature(name, schema, required) {
  const types = [schema.type].flat();
  const type = types.find((each) => each !== "null") ?? "string";
  return {
    name,
    type,
    choices: { boolean: [true, false], string: schema.examples }[type] ?? null,
    usual: schema["x-usual"] ?? null,
    nullable: types.includes("null"),
    optional: !required.includes(name),
  };
}
