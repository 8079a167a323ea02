/** The page: which model is shown, and what happens when. The address says which: `#/NAME` or `#/NAME@VERSION`. */

import { showFacts } from "./about.js";
import { LANGUAGES, wanted } from "./calls.js";
import { describe, listModels } from "./description.js";
import { byId, element, problem } from "./elements.js";
import { megabytes, MOST_BYTES, scoreFile } from "./file.js";
import { makeForm } from "./form.js";
import { showReply } from "./predictions.js";
import { ask, Problem, publicRoot, readJson, root, useKey } from "./service.js";

/** @typedef {import("./description.js").Model} Model */

/** @type {Map<string, {version: string, reason: string}[]>} */
let models = new Map();
/** @type {Model | undefined} */
let model;
/** @type {import("./form.js").Form | undefined} */
let form;
/** Counts what was asked for, so that an answer that comes late does not replace a newer one. */
let turn = 0;

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
    report(error);
  }
}

async function route() {
  const [, name, wantedVersion = ""] = /^#\/([^@]+)(?:@(.+))?$/.exec(decodeURIComponent(location.hash)) ?? ["", ""];
  if (name || !model) await show(models.has(name) ? name : [...models.keys()][0], models.has(name) ? wantedVersion : "");
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
    report(error);
  } finally {
    main.removeAttribute("aria-busy");
  }
}

/** @param {Model} found */
function fill(found) {
  document.title = `${found.name} – Despliegue`;
  byId("name").textContent = found.name;
  byId("description").textContent = found.description;
  const versions = models.get(found.name) ?? [];
  version.replaceChildren(
    ...versions.map((each) => {
      const words = [each.version, each.version === found.defaultVersion ? "(default)" : "", each.reason ? "(not ready)" : ""];
      const settings = { value: each.version, selected: each.version === found.version };
      return element("option", settings, words.filter(Boolean).join(" "));
    }),
  );
  form = makeForm(byId("fields"), found);
  byId("example").hidden = !found.example;
  byId("predict").toggleAttribute("disabled", !found.path);
  const idle = found.example ? "The example is filled in: change what you like, and predict." : "Fill in the fields, and predict.";
  result.replaceChildren(element("p", { class: "hint" }, idle));
  byId("raw").hidden = true;
  showCall();
  fillFile(found);
  showFacts(byId("facts"), found);
}

/** @param {Model} found */
function fillFile(found) {
  const isDefault = found.version === found.defaultVersion;
  byId("file-section").hidden = !found.columns.length;
  file.disabled = !isDefault;
  file.value = "";
  byId("file-hint").textContent = isDefault
    ? `Up to ${megabytes(MOST_BYTES)}. Columns that are no features stay in the result.`
    : `Files are scored with the default version, ${found.defaultVersion}: choose it above.`;
  fileResult.replaceChildren();
}

/** @param {SubmitEvent} event */
async function predict(event) {
  event.preventDefault();
  if (!model || !form) return;
  const [asked, mine] = [model, form];
  showCall();
  const button = /** @type {HTMLButtonElement} */ (byId("predict"));
  button.setAttribute("aria-disabled", "true"); // disabled would take the keyboard's place on the page away
  result.setAttribute("aria-busy", "true");
  try {
    const text = await ask(asked.path, { method: "POST", body: mine.body() });
    if (form !== mine) return;
    mine.mark("");
    result.replaceChildren(...showReply(readJson(text)));
    byId("reply").textContent = text;
    byId("raw").hidden = false;
    result.scrollIntoView({ block: "nearest" }); // on a phone it is below the form
  } catch (error) {
    if (form !== mine) return;
    byId("raw").hidden = true;
    result.replaceChildren(problem(error));
    result.scrollIntoView({ block: "nearest" });
    if (error instanceof Problem && error.wantsKey) wantKey();
    else mine.mark(error instanceof Problem && error.status === 400 ? error.message : "");
  } finally {
    button.removeAttribute("aria-disabled");
    result.removeAttribute("aria-busy");
  }
}

/** @param {File | undefined} given */
async function score(given) {
  if (!given || !model || file.disabled) return;
  const asked = model;
  fileResult.replaceChildren(element("p", { class: "hint" }, `Scoring ${given.name} …`));
  try {
    const nodes = await scoreFile(asked, given);
    if (model === asked) fileResult.replaceChildren(...nodes);
  } catch (error) {
    if (model === asked) fileResult.replaceChildren(problem(error));
    if (error instanceof Problem && error.wantsKey) wantKey();
  }
  file.value = ""; // so that the same file, mended, can be chosen again
}

/** Writes the call in the chosen language, as the form stands. */
function showCall() {
  if (!model || !form) return;
  const chosen = /** @type {HTMLInputElement} */ (document.querySelector("#languages input:checked"));
  const call = { url: new URL(model.path, publicRoot).href, body: form.body(), scheme: model.scheme };
  byId("call").textContent = LANGUAGES.get(chosen.value)?.(call) ?? "";
  byId("call-hint").textContent = wanted(model.scheme);
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

/** @param {unknown} error */
function report(error) {
  notice.replaceChildren(problem(error));
  if (error instanceof Problem && error.wantsKey) wantKey();
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
  if (model) result.replaceChildren(element("p", { class: "hint" }, "The key is in place: predict again."));
  else start();
}

/**
 * @param {string} name
 * @param {string} [wantedVersion]
 */
function link(name, wantedVersion = "") {
  return `#/${encodeURIComponent(name)}${wantedVersion ? `@${encodeURIComponent(wantedVersion)}` : ""}`;
}

byId("address").textContent = publicRoot;
byId("languages").append(
  ...[...LANGUAGES.keys()].map((language, at) =>
    element("label", {}, element("input", { type: "radio", name: "language", value: language, checked: at === 0, change: showCall }), element("span", {}, language)),
  ),
);
byId("try").addEventListener("submit", predict);
byId("try").addEventListener("input", showCall);
byId("example").addEventListener("click", () => {
  form?.fill();
  form?.mark("");
  showCall();
});
byId("copy").addEventListener("click", copy);
byId("key-form").addEventListener("submit", takeKey);
version.addEventListener("change", () => {
  location.hash = link(model?.name ?? "", version.value);
});
file.addEventListener("change", () => score(file.files?.[0]));
for (const kind of ["dragover", "dragleave", "drop"]) {
  // Anywhere on the page, so that a file that misses the place does not replace the page.
  addEventListener(kind, (event) => {
    event.preventDefault();
    byId("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") score(/** @type {DragEvent} */ (event).dataTransfer?.files[0]);
  });
}
addEventListener("hashchange", () => route().catch(report));
start();
