/** Makes the lab's page: one HTML file that needs nothing beside it, and the same as a folder of static files. */

import { fileURLToPath } from "node:url";
import { type Bundle, bundle } from "../bundle/bundle.ts";
import { Html, inlineScript, jsonScript, markup, scriptText } from "../report/html.ts";
import { version } from "../version.ts";
import { kernelTexts } from "./kernel_texts.ts";
import type { ShippedLadder } from "../ladder/shipped.ts";

/** The page, in both forms. */
export interface LabPage {
  /** One file: works from the disk, too. */
  readonly single: string;
  /** Files of the folder, by name. */
  readonly files: ReadonlyMap<string, string>;
  /** The last two are loaded when they are wanted: see client/page_scripts.ts. */
  readonly scripts: {
    readonly page: Bundle;
    readonly worker: Bundle;
    readonly reader: Bundle;
    readonly panel: Bundle;
  };
}

/**
 * Nothing is loaded from anywhere but the page's own files, and nothing can be sent away. The worker of the single file is a
 * Blob of its own text.
 */
const POLICY = "default-src 'none'; script-src 'self' 'unsafe-inline' blob:; worker-src 'self' blob:; " +
  "style-src 'self' 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'";

/** The script of the worker, where the page carries it: see client/main.ts. */
const WORKER_ID = "worker-script";

/** The reader of CSV asks by this name whether it may use Node.js. */
const CSV = { PAPA_BROWSER_CONTEXT: "true" };

/**
 * Of what decompresses Parquet. Snappy is WebAssembly there, which the page's policy does not allow: hyparquet has it in
 * JavaScript. Brotli comes with a dictionary, and is larger than all else that reads files.
 */
const INSTEAD = {
  "hysnappy": "export const snappyUncompressor = () => undefined; export const snappyUncompress = undefined;",
  "./brotli.js": "export const decompressBrotli = undefined;",
};

/** What the page knows of kernels besides their own text, and the ladders' figures, as data: see client/carried.ts. */
const DATA_ID = "lab-data";

/** @returns the same bytes for the same sources. @throws Error with all that the bundler says */
export async function buildLab(): Promise<LabPage> {
  const entry = (name: string) => fileURLToPath(new URL(`./client/${name}`, import.meta.url));
  const define = { CLICKGAN_VERSION: JSON.stringify(version) };
  const page = await bundle({ entry: entry("main.ts"), format: "iife", define });
  const worker = await bundle({ entry: entry("worker.ts"), format: "iife", comments: false });
  const reader = await bundle({
    entry: entry("reader.ts"),
    format: "esm",
    define: { ...define, ...CSV },
    instead: INSTEAD,
  });
  const panel = await bundle({ entry: entry("panel.ts"), format: "esm" });
  const style = await styleText();
  const data = jsonScript(DATA_ID, {
    texts: await kernelTexts(kernelsIn(worker)),
    ladders: await shippedLadders(),
  });
  const single = pageOf(
    markup`<style>
${new Html(style)}</style>`,
    markup`${data}
<script type="text/plain" id="${WORKER_ID}">${scriptText(worker.text)}</script>
<script type="text/plain" id="reader-script">${scriptText(reader.text)}</script>
<script type="text/plain" id="panel-script">${scriptText(panel.text)}</script>
${inlineScript(page.text)}`,
  );
  const index = pageOf(
    markup`<link rel="stylesheet" href="lab.css">`,
    markup`${data}
<script src="lab.js"></script>`,
  );
  const files = new Map([
    ["index.html", index],
    ["lab.css", style],
    ["lab.js", page.text],
    ["worker.js", worker.text],
    ["reader.js", reader.text],
    ["panel.js", panel.text],
    ["lab.html", single],
  ]);
  return { single, files, scripts: { page, worker, reader, panel } };
}

function pageOf(head: Html, scripts: Html): string {
  return markup`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>clickgan lab</title>
${head}
</head>
<body>
<div id="lab">
<noscript><p>This page is made by a script, which is switched off here.</p></noscript>
</div>
${scripts}
</body>
</html>
`.text;
}

/** Names of the kernels that a script has. */
function kernelsIn({ inputs }: Bundle): Set<string> {
  return new Set([...inputs.keys()].flatMap((path) => /(\w+)\.wgsl$/.exec(path)?.[1] ?? []));
}

/** As `deno task bench ladder` has written them. */
async function shippedLadders(): Promise<ShippedLadder[]> {
  return JSON.parse(await Deno.readTextFile(new URL("../../bench/ladder.json", import.meta.url)));
}

async function styleText(): Promise<string> {
  const texts = await Promise.all(
    ["../report/page.css", "./client/lab.css", "./draw/draw.css"].map((path) =>
      Deno.readTextFile(new URL(path, import.meta.url))
    ),
  );
  return texts.join("\n");
}
