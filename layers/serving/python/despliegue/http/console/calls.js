/** The same call in the languages that people use. The key is a variable in each: what was typed is never shown. */

/**
 * @typedef {object} Call
 * @property {string} url
 * @property {string} body in JSON; of no matter where it is a file
 * @property {string} type its content type
 * @property {string} fileName of the file that is sent; empty where `body` is
 * @property {string} scheme what callers must prove: `apiKey`, `sigv4`, or empty
 */

/** @type {Map<string, (call: Call) => string>} */
export const LANGUAGES = new Map([["curl", curl], ["Python", python], ["JavaScript", javaScript], ["R", r]]);

/**
 * What whoever copies a call must have at hand.
 * @param {Call} call
 */
export function wanted({ scheme, fileName }) {
  const wants = [];
  if (scheme === "apiKey") wants.push("It reads your API key from the environment: export KEY=…");
  if (scheme === "sigv4") wants.push("It reads your AWS credentials from the environment, as the AWS tools do.");
  if (fileName) wants.push(`Run it where ${fileName} lies.`);
  return wants.join(" ");
}

/** @param {Call} call */
function curl({ url, body, type, fileName, scheme }) {
  const lines = [`curl -s ${shell(url)}`];
  if (scheme === "apiKey") lines.push('-H "x-api-key: $KEY"');
  if (scheme === "sigv4") {
    lines.push(`--aws-sigv4 aws:amz:${region(url)}:execute-api --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY"`);
    lines.push('-H "x-amz-security-token: $AWS_SESSION_TOKEN"');
  }
  lines.push(`-H 'Content-Type: ${type}'`, fileName ? `--data-binary ${shell(`@${fileName}`)}` : `-d ${shell(body)}`);
  return lines.join(" \\\n  ");
}

/** @param {Call} call */
function python({ url, body, type, fileName, scheme }) {
  const value = fileName ? `Path(${JSON.stringify(fileName)}).read_bytes()` : pythonValue(body);
  if (scheme === "sigv4") {
    return `${fileName ? "from pathlib import Path" : "import json"}

import boto3
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

body = ${value}
call = AWSRequest("POST", ${JSON.stringify(url)}, data=${fileName ? "body" : "json.dumps(body)"}, headers={"Content-Type": "${type}"})
SigV4Auth(boto3.Session().get_credentials(), "execute-api", "${region(url)}").add_auth(call)
reply = requests.post(call.url, data=call.data, headers=dict(call.headers), timeout=60)
print(reply.json())`;
  }
  const keyed = scheme === "apiKey";
  const own = [keyed ? "import os\n" : "", fileName ? "from pathlib import Path\n" : ""].join("");
  const headers = [fileName ? `"Content-Type": "${type}"` : "", keyed ? '"x-api-key": os.environ["KEY"]' : ""].filter(Boolean).join(", ");
  return `${own && `${own}\n`}import requests

reply = requests.post(
    ${JSON.stringify(url)},${headers && `\n    headers={${headers}},`}
    ${fileName ? "data" : "json"}=${value.replaceAll("\n", "\n    ")},
    timeout=60,
)
print(reply.json())`;
}

/** @param {Call} call */
function javaScript({ url, body, type, fileName, scheme }) {
  const key = scheme === "apiKey" ? ', "x-api-key": process.env.KEY' : "";
  const client = `import { AwsClient } from "aws4fetch";

const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = process.env;
const aws = new AwsClient({
  accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY, sessionToken: AWS_SESSION_TOKEN,
  service: "execute-api", region: "${region(url)}",
});
`;
  const sent = fileName ? `await readFile(${JSON.stringify(fileName)})` : `JSON.stringify(${body.replaceAll("\n", "\n  ")})`;
  return `// node call.mjs
${fileName ? 'import { readFile } from "node:fs/promises";\n' : ""}${scheme === "sigv4" ? client : ""}const reply = await ${scheme === "sigv4" ? "aws." : ""}fetch(${JSON.stringify(url)}, {
  method: "POST",
  headers: {"Content-Type": "${type}"${key}},
  body: ${sent},
});
console.log(JSON.stringify(await reply.json()));`;
}

/** @param {Call} call */
function r({ url, body, type, fileName, scheme }) {
  const lines = [`request(${JSON.stringify(url)})`];
  if (scheme === "apiKey") lines.push('req_headers(`x-api-key` = Sys.getenv("KEY"))');
  const name = JSON.stringify(fileName);
  lines.push(`req_body_raw(${fileName ? `readBin(${name}, "raw", file.size(${name}))` : rawString(body)}, "${type}")`);
  if (scheme === "sigv4") {
    lines.push(`req_auth_aws_v4(Sys.getenv("AWS_ACCESS_KEY_ID"), Sys.getenv("AWS_SECRET_ACCESS_KEY"), Sys.getenv("AWS_SESSION_TOKEN"), "execute-api", "${region(url)}")`);
  }
  lines.push("req_perform()", "resp_body_json()");
  return `library(httr2)\n\n${lines.join(" |>\n  ")}`;
}

/**
 * As R takes it without escapes.
 * @param {string} text
 */
function rawString(text) {
  let dashes = "";
  while (text.includes(`)${dashes}"`)) dashes += "-";
  return `r"${dashes}(${text})${dashes}"`;
}

/**
 * For a shell, where nothing is special between single quotes but their end.
 * @param {string} text
 */
function shell(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/**
 * JSON as Python writes it. Its strings are Python's too; three of its words are not.
 * @param {string} json
 */
function pythonValue(json) {
  const words = new Map([["null", "None"], ["true", "True"], ["false", "False"]]);
  return json.replace(/"(?:[^"\\]|\\.)*"|\b(?:null|true|false)\b/g, (found) => words.get(found) ?? found);
}

/** @param {string} url API Gateway's, which names its region */
function region(url) {
  return /\.execute-api\.([a-z0-9-]+)\./.exec(url)?.[1] ?? "REGION";
}
