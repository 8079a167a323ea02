/** CSV ↔ rows of texts. Source: RFC 4180; semicolons and tabs between the fields are read too. */

/**
 * The records of a CSV file, blank lines left out.
 * @param {string} text
 * @returns {string[][]}
 * @throws {SyntaxError} a quoted field does not end
 */
export function readCsv(text) {
  const delimiter = delimiterOf(text);
  const field = new RegExp(`(?:"((?:[^"]|"")*)"|([^"${delimiter}\\r\\n][^${delimiter}\\r\\n]*)?)(${delimiter}|\\r\\n|\\n|\\r|$)`, "y");
  /** @type {string[][]} */
  const rows = [];
  /** @type {string[]} */
  let row = [];
  field.lastIndex = text.startsWith("\ufeff") ? 1 : 0;
  while (field.lastIndex < text.length || row.length) {
    const found = field.exec(text);
    if (!found) {
      throw new SyntaxError(`row ${rows.length + 1} has a quote that does not end, or that stands beside other text`);
    }
    row.push(found[1] === undefined ? (found[2] ?? "") : found[1].replaceAll('""', '"'));
    if (found[3] === delimiter) continue;
    if (row.length > 1 || row[0] || found[1] !== undefined) rows.push(row);
    row = [];
  }
  return rows;
}

/**
 * @param {string[][]} rows
 * @returns {string}
 */
export function writeCsv(rows) {
  return rows.map((row) => `${row.map(quoted).join(",") || '""'}\n`).join("");
}

/** @param {string} text */
function quoted(text) {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** @param {string} text */
function delimiterOf(text) {
  const first = text.slice(0, 65_536).split(/[\r\n]/, 1)[0];
  const counted = [",", ";", "\t"].map((sign) => /** @type {const} */ ([first.split(sign).length, sign]));
  return counted.reduce((best, each) => (each[0] > best[0] ? each : best))[1];
}
