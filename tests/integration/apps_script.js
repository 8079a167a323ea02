// Runs a Google Apps Script in node: `node apps_script.js SCRIPT FUNCTION ARGUMENTS PROPERTIES`, the last two in JSON.
// What Google gives a script is stood in for; UrlFetchApp really calls, by curl, since it waits for the reply.
const { execFileSync } = require("node:child_process");
const { readFileSync } = require("node:fs");
const vm = require("node:vm");

const [, , script, name, values, properties] = process.argv;

const google = {
  PropertiesService: { getScriptProperties: () => ({ getProperties: () => JSON.parse(properties) }) },
  Utilities: { sleep: () => {} }, // who waits for a service of a test waits for nothing
  UrlFetchApp: { fetch },
};

function fetch(url, { method, contentType, headers, payload, muteHttpExceptions }) {
  const sent = Object.entries({ ...headers, "Content-Type": contentType }).flatMap(([key, value]) => ["-H", `${key}: ${value}`]);
  const call = ["-s", "-X", method.toUpperCase(), url, ...sent, "--data-binary", "@-", "-w", "\n%{http_code}"];
  const [, content, status] = /^([^]*)\n(\d+)$/.exec(execFileSync("curl", call, { input: payload, encoding: "utf8" }));
  if (status >= 400 && !muteHttpExceptions) throw new Error(`Request failed for ${url} returned code ${status}`);
  return { getResponseCode: () => Number(status), getContentText: () => content };
}

const context = vm.createContext(google);
vm.runInContext(readFileSync(script, "utf8"), context);
try {
  // What passes between a sheet and a script is made of the script's own arrays.
  const result = vm.runInContext(`${name}(...${values})`, context);
  console.log(JSON.stringify({ result }));
} catch (error) {
  console.log(JSON.stringify({ error: error.message }));
}
