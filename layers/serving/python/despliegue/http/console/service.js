/** The only way to the service. The key is kept here, in memory, and what goes wrong is put in plain words. */

const TIMEOUT_MS = 60_000;

/** Where the API is: this page lies at its `docs`, below whatever stage or base path. */
export const root = new URL(location.pathname.replace(/\/docs\/?$/, "/"), location.origin).href;

/** Where others reach it: somewhere else when `despliegue console` passes the calls on. */
export const publicRoot =
  document.querySelector('meta[name="despliegue-api"]')?.getAttribute("content") ?? root;

let key = "";

/**
 * Send this key from now on; an empty one is none.
 * @param {string} given
 * @throws {Problem} no header can hold it
 */
export function useKey(given) {
  if (!/^[\x21-\x7e]*$/.test(given)) {
    throw new Problem("That is no API key", "A key has letters, digits and signs, but no spaces. Was more copied than the key?");
  }
  key = given;
}

/** What went wrong, in plain words. */
export class Problem extends Error {
  /**
   * @param {string} title in a few words
   * @param {string} message what was wrong, and what to do
   * @param {number} [status] the reply's, if one came
   */
  constructor(title, message, status = 0) {
    super(message);
    this.title = title;
    this.status = status;
  }

  /**
   * The same, put otherwise.
   * @param {string} message
   */
  saying(message) {
    return new Problem(this.title, message, this.status);
  }

  get wantsKey() {
    return this.status === 401 || this.status === 403;
  }
}

/**
 * Ask the service.
 * @param {string} path below the API's root, without a slash before it
 * @param {{method?: string, body?: string | Blob, type?: string, accept?: string}} [request]
 * @returns {Promise<string>} the reply's body
 * @throws {Problem} it was refused, or nothing came
 */
export async function ask(path, { method = "GET", body, type = "application/json", accept = "application/json" } = {}) {
  /** @type {Record<string, string>} */
  const headers = { accept };
  if (key) headers["x-api-key"] = key;
  if (body !== undefined) headers["content-type"] = type;
  let response, text;
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    response = await fetch(new URL(path, root), { method, headers, body, signal, credentials: "omit" });
    text = await response.text();
  } catch (error) {
    throw unanswered(error);
  }
  if (!response.ok) throw refusal(response, text);
  return text;
}

/**
 * As `ask`, of what answers in JSON.
 * @param {string} path
 * @param {Parameters<typeof ask>[1]} [request]
 * @returns {Promise<any>}
 */
export async function askJson(path, request) {
  return readJson(await ask(path, request));
}

/**
 * @param {string} text
 * @returns {any}
 */
export function readJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Problem("The answer cannot be read", `It is not JSON, so something else than the service may have sent it. It begins: ${text.slice(0, 120)}`);
  }
}

/** @param {unknown} error */
function unanswered(error) {
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return new Problem("No answer came", `The service did not answer within ${TIMEOUT_MS / 1000} seconds. Try again, or send fewer rows.`);
  }
  if (!navigator.onLine) {
    return new Problem("You are offline", "This device has no network. Nothing was lost: try again when it is back.");
  }
  return new Problem("The service cannot be reached", `Nothing answered at ${root}. Does it still run, and can this device reach it?`);
}

/**
 * @param {Response} response
 * @param {string} text
 */
function refusal(response, text) {
  const { status } = response;
  let said;
  try {
    said = JSON.parse(text).error;
  } catch {
    // Not the service's words, then: see below.
  }
  if (typeof said !== "string") {
    return new Problem(
      `The answer is an error (${status})`,
      `It is not in the service's form, so something between here and the service may have sent it. It begins: ${text.trim().slice(0, 120) || "nothing"}`,
      status,
    );
  }
  const sentence = said.charAt(0).toUpperCase() + said.slice(1);
  const wait = response.headers.get("retry-after");
  if (status === 401 || status === 403) {
    const signed = /sign/i.test(said);
    const way = signed ? " A page cannot sign requests: `despliegue console --stack NAME` opens this page with your AWS credentials." : "";
    const title = key ? "The key was not accepted" : "The service wants a key";
    return new Problem(signed ? "The service wants signed requests" : title, `${sentence}.${way}`, status);
  }
  if (status === 429) {
    return new Problem("Too many requests", `${sentence}.${wait ? ` It can be tried again in ${wait} seconds.` : ""}`, status);
  }
  const title = status >= 500 ? "The service failed" : status === 404 ? "It is not there" : status === 413 ? "It is too large" : "The service refused it";
  return new Problem(`${title} (${status})`, `${sentence}.`, status);
}
