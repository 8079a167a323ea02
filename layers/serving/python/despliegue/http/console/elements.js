/** Elements of the page. Whatever is shown comes in as text and stays text: there is no way to markup in here. */

/** @typedef {string | number | boolean | ((event: any) => void)} Setting */

/**
 * @template {HTMLElement} [E=HTMLElement]
 * @param {string} id of an element that index.html has
 * @returns {E}
 */
export function byId(id) {
  return /** @type {E} */ (document.getElementById(id));
}

/**
 * A new element.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, Setting>} [settings] attributes and, as functions, what is called at events
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function element(tag, settings = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(settings)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (typeof value === "boolean") made.toggleAttribute(name, value);
    else made.setAttribute(name, String(value));
  }
  made.append(...children);
  return made;
}

/**
 * A table that scrolls by itself where it is too wide, by keyboard too.
 * @param {string} caption
 * @param {string[]} heads
 * @param {(string | number)[][]} rows
 */
export function table(caption, heads, rows) {
  const cells = (/** @type {(string | number)[]} */ row) => row.map((cell) => element("td", {}, String(cell)));
  return element(
    "div",
    { class: "scrolls", tabindex: 0, role: "region", "aria-label": caption },
    element(
      "table",
      {},
      element("caption", {}, caption),
      element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
      element("tbody", {}, ...rows.map((row) => element("tr", {}, ...cells(row)))),
    ),
  );
}

/**
 * What went wrong, to be read by whoever asked.
 * @param {unknown} error
 */
export function problem(error) {
  const { title = "This page failed", message = String(error) } = /** @type {any} */ (error);
  return element("div", { class: "problem" }, element("strong", {}, title), element("p", {}, message));
}

/**
 * Lets the same file, mended, be chosen again: for the click that opens the choice.
 * @param {Event} event
 */
export function again({ target }) {
  /** @type {HTMLInputElement} */ (target).value = "";
}

/**
 * Hands a text to the browser to be saved as a file.
 * @param {string} name
 * @param {string} text
 * @param {string} type
 */
export function save(name, text, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
