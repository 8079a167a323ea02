/** The same call in the languages that people use. The key is a variable in each: what was typed is never shown. */

/**
 * @typedef {object} Call
 * @property {string} url
 * @property {string} body in JSON
 * @property {string} scheme what callers must prove: `apiKey`, `sigv4`, or empty
 */

/** @type {Map<string, (call: Call) => string>} */
export const LANGUAGES = new Map([["curl", curl], ["Python", python], ["JavaScript", javaScript], ["R", r]]);

/**
 * What whoever copies a call must set beforehand.
 * @param {string} scheme
 */
export function wanted(scheme) {
  if (scheme === "apiKey") return "It reads your API key from the environment: export KEY=…";
  if (scheme === "sigv4") return "It reads your AWS credentials from the environment, as the AWS tools do.";
  return "";
}

/** @param {Call} call */
function curl({ url, body, scheme }) {
  const lines = [`curl -s ${shell(url)}`];
  if (scheme === "apiKey") lines.push('-H "x-api-key: $KEY"');
  if (scheme === "sigv4") {
    lines.push(`--aws-sigv4 aws:amz:${region(url)}:execute-api --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY"`);
    lines.push('-H "x-amz-security-token: $AWS_SESSION_TOKEN"');
  }
  lines.push("-H 'Content-Type: application/json'", `-d ${shell(body)}`);
  return lines.join(" \\\n  ");
}

/** @param {Call} call */
function python({ url, body, scheme }) {
  const value = pythonValue(body);
  if (scheme === "sigv4") {
    return `import json

import boto3
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

body = ${value}
call = AWSRequest("POST", ${JSON.stringify(url)}, data=json.dumps(body), headers={"Content-Type": "application/json"})
SigV4Auth(boto3.Session().get_credentials(), "execute-api", "${region(url)}").add_auth(call)
reply = requests.post(call.url, data=call.data, headers=dict(call.headers), timeout=60)
print(reply.json())`;
  }
  const keyed = scheme === "apiKey";
  return `${keyed ? "import os\n\n" : ""}import requests

reply = requests.post(
    ${JSON.stringify(url)},${keyed ? '\n    headers={"x-api-key": os.environ["KEY"]},' : ""}
    json=${value.replaceAll("\n", "\n    ")},
    timeout=60,
)
print(reply.json())`;
}

/** @param {Call} call */
function javaScript({ url, body, scheme }) {
  const key = scheme === "apiKey" ? ', "x-api-key": process.env.KEY' : "";
  const client = `import { AwsClient } from "aws4fetch";

const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = process.env;
const aws = new AwsClient({
  accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY, sessionToken: AWS_SESSION_TOKEN,
  service: "execute-api", region: "${region(url)}",
});
`;
  return `// node call.mjs
${scheme === "sigv4" ? client : ""}const reply = await ${scheme === "sigv4" ? "aws." : ""}fetch(${JSON.stringify(url)}, {
  method: "POST",
  headers: {"Content-Type": "application/json"${key}},
  body: JSON.stringify(${body.replaceAll("\n", "\n  ")}),
});
console.log(JSON.stringify(await reply.json()));`;
}

/** @param {Call} call */
function r({ url, body, scheme }) {
  const lines = [`request(${JSON.stringify(url)})`];
  if (scheme === "apiKey") lines.push('req_headers(`x-api-key` = Sys.getenv("KEY"))');
  let dashes = "";
  while (body.includes(`)${dashes}"`)) dashes += "-";
  lines.push(`req_body_raw(r"${dashes}(${body})${dashes}", "application/json")`);
  if (scheme === "sigv4") {
    lines.push(`req_auth_aws_v4(Sys.getenv("AWS_ACCESS_KEY_ID"), Sys.getenv("AWS_SECRET_ACCESS_KEY"), Sys.getenv("AWS_SESSION_TOKEN"), "execute-api", "${region(url)}")`);
  }
  lines.push("req_perform()", "resp_body_json()");
  return `library(httr2)\n\n${lines.join(" |>\n  ")}`;
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
