/** The page: which model is shown, and what happens when. The address says which: `#/NAME` or `#/NAME@VERSION`. */

import { deprecation, showFacts } from "./about.js";
import { LANGUAGES, wanted } from "./calls.js";
import { describe, link, listModels } from "./description.js";
import { again, byId, element, problem } from "./elements.js";
import { megabytes, MOST_BYTES, scoreFile } from "./file.js";
import { makeForm } from "./form.js";
import { showReply } from "./predictions.js";
import { ask, Problem, publicRoot, readJson, useKey } from "./service.js";

/** @typedef {import("./description.js").Model} Model */

/** @type {Map<string, {version: string, reason: string}[]>} */
let models = new Map();
/** @type {Model | undefined} */
let model;
/** @type {import("./form.js").Form | undefined} */
let form;
/** Counts what was asked for, so that an answer that comes late does not replace a newer one. */
let turn = 0;

/** @type {import("./form.js").Content["body"]} Of what the shown prediction is; null while none is shown. */
let predicted = null;

const notice = byId("notice");
const result = byId("result");
const fileResult = byId("file-result");
const version = /** @type {HTMLSelectElement} */ (byId("version"));
const file = /** @type {HTMLInputElement} */ (byId("file"));

/** Reads which models there are, and shows the one that the address names. */
async function start() {
  try {
    models = await listModels();
    notice.replaceChildren();
    byId("models").replaceChildren(...[...models.keys()].map((name) => element("li", {}, element("a", { href: link(name) }, name))));
    byId("models").closest("nav")?.toggleAttribute("hidden", !models.size);
    if (!models.size) throw new Problem("There is no model yet", "Put one into the service's repository, and reload this page.");
    await route();
  } catch (error) {
    report(error, start);
  }
}

async function route() {
  const [, name, wantedVersion] = /^#\/([^@]+)@?(.*)$/.exec(location.hash) ?? ["", "", ""];
  if (models.has(name)) await show(name, wantedVersion);
  else if (name || !model) {
    await show([...models.keys()][0], "");
    if (name) report(new Problem("There is no such model", `${name.slice(0, 80)} is not among the models that the service has.`));
  }
}

/**
 * @param {string} name
 * @param {string} wantedVersion empty for the default
 */
async function show(name, wantedVersion) {
  const mine = ++turn;
  const main = byId("main");
  for (const anchor of byId("models").querySelectorAll("a")) {
    if (anchor.textContent === name) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  }
  main.setAttribute("aria-busy", "true");
  try {
    const found = await describe(name, wantedVersion);
    if (mine !== turn) return;
    notice.replaceChildren();
    model = found;
    fill(found);
    main.hidden = false;
  } catch (error) {
    if (mine !== turn) return;
    model = undefined;
    main.hidden = true;
    report(error, () => show(name, wantedVersion));
  } finally {
    main.removeAttribute("aria-busy");
  }
}

/** @param {Model} found */
function fill(found) {
  document.title = `${found.name} – Despliegue`;
  byId("name").textContent = found.name;
  byId("deprecated").replaceChildren(...deprecation(found));
  byId("description").textContent = found.description;
  const versions = models.get(found.name) ?? [];
  version.replaceChildren(
    ...versions.map((each) => {
      const isShown = each.version === found.version;
      const words = [each.version, each.version === found.defaultVersion && "(default)", each.reason && "(not ready)", isShown && found.deprecated && "(deprecated)"];
      return element("option", { value: each.version, selected: isShown }, words.filter(Boolean).join(" "));
    }),
  );
  form = makeForm(byId("fields"), found, changed);
  byId("example").hidden = !found.example;
  byId("predict").toggleAttribute("disabled", !found.path);
  const first = found.mediaTypes.length ? "Choose a picture" : found.example ? "The example is filled in: change what you like" : "Fill in the fields";
  showResult([element("p", { class: "hint" }, `${first}, and predict.`)]);
  showCall();
  fillFile(found);
  showFacts(byId("facts"), found);
}

/** @param {Model} found */
function fillFile(found) {
  byId("file-section").hidden = !found.columns.length;
  file.value = "";
  byId("file-hint").textContent = `Up to ${megabytes(MOST_BYTES)}, scored with version ${found.version}. Columns that are no features stay in the result.`;
  fileResult.replaceChildren();
}

/** @param {SubmitEvent} event */
async function predict(event) {
  event.preventDefault();
  if (!model || !form) return;
  const [asked, mine] = [model, form];
  showCall();
  const button = /** @type {HTMLButtonElement} */ (byId("predict"));
  if (button.hasAttribute("aria-disabled")) return;
  button.setAttribute("aria-disabled", "true"); // disabled would take the keyboard's place on the page away
  result.setAttribute("aria-busy", "true");
  try {
    const { body, type } = mine.content();
    if (body === null) {
      mine.mark("It is missing");
      throw new Problem("There is no picture yet", "Choose one, drop it on this page, or paste it.");
    }
    const text = await ask(asked.path, { method: "POST", body, type });
    if (form !== mine) return;
    mine.mark("");
    showResult(showReply(readJson(text), asked.labels), body, text);
    result.scrollIntoView({ block: "nearest" }); // on a phone it is below the form
  } catch (thrown) {
    if (form !== mine) return;
    // Of fields there is one row.
    const error = thrown instanceof Problem && asked.features.length ? thrown.saying(thrown.message.replace(/^Row 0: f/, "F")) : thrown;
    showResult([problem(error)]);
    result.scrollIntoView({ block: "nearest" });
    if (error instanceof Problem && error.wantsKey) wantKey();
    else if (error instanceof Problem && error.status) mine.mark(error.status === 400 ? error.message : "");
  } finally {
    button.removeAttribute("aria-disabled");
    result.removeAttribute("aria-busy");
  }
}

/**
 * @param {Node[]} nodes
 * @param {typeof predicted} body what was sent, if they are a prediction
 * @param {string} reply as it came
 */
function showResult(nodes, body = null, reply = "") {
  result.replaceChildren(...nodes);
  byId("reply").textContent = reply;
  byId("raw").hidden = !reply;
  predicted = body;
  markEarlier(); // what is typed while the service answers is not what it answers
}

/** Says whether the shown prediction is of other inputs than the form has now. */
function markEarlier() {
  const isEarlier = predicted !== null && predicted !== form?.content().body;
  const words = isEarlier ? "This is of the earlier inputs: Predict gives the new one." : "";
  const place = byId("earlier");
  if (place.textContent !== words) place.textContent = words; // else it would be read out at every key
}

/** @param {File | undefined} given */
async function score(given) {
  if (!given || !model?.columns.length) return;
  const asked = model;
  const waiting = element("p", { class: "hint" }, `Scoring ${given.name} …`);
  fileResult.replaceChildren(waiting);
  let nodes;
  try {
    nodes = await scoreFile(asked, given);
  } catch (error) {
    nodes = [problem(error)];
    if (error instanceof Problem && error.wantsKey) wantKey();
  }
  if (waiting.isConnected) fileResult.replaceChildren(...nodes); // else another file or model came meanwhile
}

/**
 * As if it had been chosen.
 * @param {HTMLInputElement} input
 * @param {FileList} files what was dropped or pasted
 */
function choose(input, files) {
  if (!files.length) return;
  input.files = files;
  input.dispatchEvent(new Event("change"));
}

/** Where a picture is chosen, for the models that take one. */
function picture() {
  return /** @type {HTMLInputElement | null} */ (document.getElementById("picture"));
}

function changed() {
  showCall();
  markEarlier();
}

/** Writes the call in the chosen language, as the form stands. */
function showCall() {
  if (!model || !form) return;
  const chosen = /** @type {HTMLInputElement} */ (document.querySelector("#languages input:checked"));
  const { body, type, fileName } = form.content();
  const call = { url: new URL(model.path, publicRoot).href, body: String(body), type, fileName, scheme: model.scheme };
  byId("call").textContent = LANGUAGES.get(chosen.value)?.(call) ?? "";
  byId("call-hint").textContent = wanted(call);
  byId("copied").textContent = "";
}

async function copy() {
  const code = byId("call");
  try {
    await navigator.clipboard.writeText(code.textContent ?? "");
    byId("copied").textContent = "Copied";
  } catch {
    getSelection()?.selectAllChildren(code);
    byId("copied").textContent = "Selected: copy it with your keyboard";
  }
}

/**
 * @param {unknown} error
 * @param {() => void} [retry] what may work a moment later
 */
function report(error, retry) {
  notice.replaceChildren(problem(error));
  if (error instanceof Problem && error.wantsKey) wantKey();
  else if (retry) notice.firstElementChild?.append(element("button", { type: "button", click: retry }, "Try again"));
}

function wantKey() {
  byId("key-form").hidden = false;
  byId("key").focus();
}

/** @param {SubmitEvent} event */
function takeKey(event) {
  event.preventDefault();
  try {
    useKey(/** @type {HTMLInputElement} */ (byId("key")).value.trim());
  } catch (error) {
    report(error);
    return;
  }
  if (model) showResult([element("p", { class: "hint" }, "The key is in place: predict again.")]);
  else start();
}

byId("address").textContent = publicRoot;
byId("languages").append(
  ...[...LANGUAGES.keys()].map((language, at) =>
    element("label", {}, element("input", { type: "radio", name: "language", value: language, checked: at === 0, change: showCall }), element("span", {}, language)),
  ),
);
byId("try").addEventListener("submit", predict);
byId("try").addEventListener("input", changed);
byId("example").addEventListener("click", () => {
  form?.fill();
  form?.mark("");
  changed();
});
byId("copy").addEventListener("click", copy);
byId("key-form").addEventListener("submit", takeKey);
version.addEventListener("change", () => {
  location.hash = link(model?.name ?? "", version.value);
});
file.addEventListener("click", again);
file.addEventListener("change", () => score(file.files?.[0]));
for (const kind of ["dragover", "dragleave", "drop"]) {
  // Anywhere on the page, so that a file that misses the place does not replace the page.
  addEventListener(kind, (event) => {
    const { dataTransfer } = /** @type {DragEvent} */ (event);
    if (!dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    for (const place of document.querySelectorAll(".drop")) place.classList.toggle("over", kind === "dragover");
    if (kind === "drop") choose(picture() ?? file, dataTransfer.files);
  });
}
addEventListener("paste", ({ clipboardData }) => {
  const input = picture(); // only there: a spreadsheet's cells come with a picture of them, which is no file to score
  if (input && clipboardData) choose(input, clipboardData.files);
});
addEventListener("hashchange", () => route().catch(report));
start();
