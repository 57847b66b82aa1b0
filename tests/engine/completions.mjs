// node completions.mjs FILE LINE: what Taplo's language server, as npm has it, offers at the start of a line counted from 0.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const [file, line] = process.argv.slice(2);
const { TaploLsp } = createRequire(path.join(process.cwd(), "x.js"))("@taplo/lsp");
const uri = pathToFileURL(file).href;
const folder = pathToFileURL(path.dirname(file)).href;
const environment = {
  now: () => new Date(),
  envVar: (name) => process.env[name],
  envVars: () => Object.entries(process.env),
  stdErrAtty: () => false,
  stdin: async () => new Uint8Array(),
  stdout: async (bytes) => bytes.length,
  stderr: async (bytes) => bytes.length,
  glob: () => [],
  readFile: async (name) => readFileSync(name),
  writeFile: async () => {},
  urlToFilePath: (url) => (url.startsWith("file:") ? fileURLToPath(url) : "/none"),
  isAbsolute: path.isAbsolute,
  cwd: process.cwd,
  findConfigFile: () => undefined,
  fetch: { fetch, Headers, Request, Response },
};
let number = 0;
const waiting = new Map();
let checked;
const isChecked = new Promise((resolve) => { checked = resolve; });
const server = await TaploLsp.initialize(environment, {
  onMessage(message) {
    if (waiting.has(message.id) && !message.method) waiting.get(message.id)(message.result);
    else if (message.method === "workspace/configuration") {
      const result = message.params.items.map(() => ({ schema: { enabled: true } }));
      server.send({ jsonrpc: "2.0", id: message.id, result });
    } else if (message.params?.diagnostics?.length) checked(); // the schema is there: it finds keys missing
  },
});
const tell = (method, params) => server.send({ jsonrpc: "2.0", method, params });
const ask = (method, params) =>
  new Promise((resolve) => {
    waiting.set(++number, resolve);
    server.send({ jsonrpc: "2.0", id: number, method, params });
  });
await ask("initialize", { capabilities: {}, rootUri: folder, workspaceFolders: [{ uri: folder, name: "spec" }] });
tell("initialized", {});
const text = readFileSync(file, "utf8");
tell("textDocument/didOpen", { textDocument: { uri, languageId: "toml", version: 1, text } });
await isChecked;
const position = { line: Number(line), character: 0 };
console.log(JSON.stringify(await ask("textDocument/completion", { textDocument: { uri }, position })));
process.exit(0);
