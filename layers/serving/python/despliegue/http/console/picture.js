/** The form of a model that takes a picture: chosen, dropped or pasted, and shown before it is sent. */

import { again, element, problem } from "./elements.js";
import { megabytes, MOST_BYTES, readBytes } from "./file.js";
import { Problem } from "./service.js";

/** @typedef {import("./description.js").Model} Model */
/** @typedef {import("./form.js").Content} Content */
/** @typedef {import("./form.js").Form} Form */

/** How the files begin, by their type: a name may say anything. Sources: RFC 2083, 3.1; ISO/IEC 10918-1, B.2.1. */
const BEGINNINGS = new Map([
  ["image/png", [0x89, 0x50, 0x4e, 0x47]],
  ["image/jpeg", [0xff, 0xd8, 0xff]],
]);
const SMALL_PIXELS = 64;

/**
 * @param {HTMLElement} container
 * @param {Model} model
 * @param {() => void} changed is called when another picture is to be sent
 * @returns {Form}
 */
export function pictureFor(container, model, changed) {
  const kinds = kindsOf(model);
  let turn = 0;
  /** @type {Content} */
  let content = nothing(model);
  const input = element("input", {
    type: "file",
    id: "picture",
    accept: model.mediaTypes.join(","),
    "aria-describedby": "picture-hint",
    "aria-invalid": "false",
    click: again,
    change: () => take(input.files?.[0]),
  });
  const shown = element("div", { role: "status", "aria-label": "The picture" });

  /** @param {File | undefined} file */
  async function take(file) {
    if (!file) return;
    const mine = ++turn;
    /** @type {Content} */
    let read = nothing(model);
    let node;
    try {
      read = await readPicture(file, model);
      node = await preview(read);
    } catch (error) {
      node = problem(error);
    }
    if (mine !== turn) return;
    content = read;
    input.setAttribute("aria-invalid", String(content.body === null));
    shown.replaceChildren(node);
    changed();
  }

  container.className = "drop";
  container.replaceChildren(
    element("label", { for: "picture" }, `A ${kinds} picture: choose it, drop it here, or paste it`),
    input,
    element("p", { class: "hint", id: "picture-hint" }, `Up to ${megabytes(MOST_BYTES)}.`),
    shown,
  );
  return {
    content: () => content,
    fill: () => {},
    mark(message) {
      input.setAttribute("aria-invalid", String(Boolean(message)));
      if (message) input.focus();
    },
  };
}

/**
 * Before a picture is chosen: the calls to copy need a name for it all the same.
 * @param {Model} model
 * @returns {Content}
 */
function nothing({ mediaTypes }) {
  const type = mediaTypes.includes("image/png") ? "image/png" : mediaTypes[0];
  return { body: null, type, fileName: `photo.${type.split("/")[1]}` };
}

/**
 * @param {File} file
 * @param {Model} model
 * @returns {Promise<Content>}
 * @throws {Problem} it is too large, empty, or of another type
 */
async function readPicture(file, model) {
  const bytes = await readBytes(file, "Make the picture smaller, in width and height, and choose it again.");
  const beginning = new Uint8Array(bytes.slice(0, 4));
  const type = [...BEGINNINGS].find(([, signs]) => signs.every((sign, at) => beginning[at] === sign))?.[0] ?? "";
  if (!model.mediaTypes.includes(type)) {
    const said = file.type ? ` (it calls itself ${file.type})` : "";
    const kinds = kindsOf(model);
    throw new Problem(`That is no ${kinds} picture`, `${file.name} holds something else${said}. Save it as ${kinds}, and choose that.`);
  }
  return { body: new Blob([bytes], { type }), type, fileName: file.name };
}

/**
 * @param {Content} content
 * @returns {Promise<Node>}
 */
async function preview({ body, fileName }) {
  const address = URL.createObjectURL(/** @type {Blob} */ (body));
  const image = element("img", { src: address, alt: `The picture to be sent, ${fileName}` });
  const figure = element("figure", {}, image);
  try {
    await image.decode();
    image.classList.toggle("small", Math.max(image.naturalWidth, image.naturalHeight) <= SMALL_PIXELS);
    figure.append(element("figcaption", { class: "hint" }, `${fileName}, ${image.naturalWidth} × ${image.naturalHeight} pixels`));
  } catch {
    // The model has a decoder of its own, so this is no reason not to ask it.
    figure.replaceChildren(element("figcaption", { class: "warning" }, `This browser cannot show ${fileName}: it may be damaged.`));
  } finally {
    URL.revokeObjectURL(address);
  }
  return figure;
}

/** @param {Model} model */
function kindsOf({ mediaTypes }) {
  return mediaTypes.map((type) => type.split("/")[1].toUpperCase()).join(" or ");
}
