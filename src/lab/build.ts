/** Makes the lab's page: one HTML file that needs nothing beside it, and the same as a folder of static files. */

import { fileURLToPath } from "node:url";
import { type Bundle, bundle } from "../serve/bundle/bundle.ts";
import { tableName, tableScript } from "../serve/bundle/kernel_table.ts";
import { Html, inlineScript, jsonScript, markup, scriptText } from "../report/html.ts";
import { version } from "../version.ts";
import { MISSING } from "./client/missing_script.ts";
import { kernelTexts } from "./kernel_texts.ts";
import type { ShippedLadder } from "../selftest/ladder/shipped.ts";

/** The page, in both forms. */
export interface LabPage {
  /** One file: works from the disk, too. */
  readonly single: string;
  /** Files of the folder, by name. */
  readonly files: ReadonlyMap<string, string>;
  /** JavaScript alone. The last two are loaded when they are wanted: see client/page_scripts.ts. */
  readonly scripts: {
    readonly page: Bundle;
    readonly worker: Bundle;
    readonly screens: Bundle;
    readonly reader: Bundle;
  };
  /** The worker with its kernels, for where there is no page that gives them to it. */
  readonly wholeWorker: string;
}

/**
 * Nothing is loaded from anywhere but the page's own files, and nothing can be sent away. The worker begins as a Blob: see
 * client/main.ts.
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

/** What the page carries as data: the kernels, what is known of them, and the ladders' figures. See client/carried.ts. */
const KERNELS_ID = "lab-kernels";
const DATA_ID = "lab-data";

/** What the page does where its own script is not beside it. */
const WITHOUT_SCRIPT = new Html(
  `document.getElementById('lab').textContent = 'Expected the page\\'s script ' + this.src + ', ${MISSING}'`,
);

/** @returns the same bytes for the same sources. @throws Error with all that the bundler says */
export async function buildLab(): Promise<LabPage> {
  const entry = (name: string) => fileURLToPath(new URL(`./client/${name}`, import.meta.url));
  const define = { CLICKGAN_VERSION: JSON.stringify(version) };
  const page = await bundle({ entry: entry("main.ts"), format: "iife", define });
  const worker = await bundle({ entry: entry("worker.ts"), format: "iife", kernels: "from a table" });
  const reader = await bundle({
    entry: entry("reader.ts"),
    format: "esm",
    define: { ...define, ...CSV },
    instead: INSTEAD,
  });
  const screens = await bundle({ entry: entry("other_screens.ts"), format: "esm", define });
  const style = await styleText();
  const kernels = await kernelsOf(worker);
  const data = markup`${jsonScript(KERNELS_ID, kernels)}
${jsonScript(DATA_ID, { texts: await kernelTexts(), ladders: await shippedLadders() })}`;
  const single = pageOf(
    markup`<style>
${new Html(style)}</style>`,
    markup`${data}
<script type="text/plain" id="${WORKER_ID}">${scriptText(worker.text)}</script>
<script type="text/plain" id="screens-script">${scriptText(screens.text)}</script>
<script type="text/plain" id="reader-script">${scriptText(reader.text)}</script>
${inlineScript(page.text)}`,
  );
  const index = pageOf(
    markup`<link rel="stylesheet" href="lab.css">`,
    markup`${data}
<script src="lab.js" onerror="${WITHOUT_SCRIPT}"></script>`,
  );
  const files = new Map([
    ["index.html", index],
    ["lab.css", style],
    ["lab.js", page.text],
    ["worker.js", worker.text],
    ["screens.js", screens.text],
    ["reader.js", reader.text],
    ["lab.html", single],
  ]);
  const wholeWorker = tableScript(JSON.stringify(kernels)) + worker.text;
  return { single, files, scripts: { page, worker, screens, reader }, wholeWorker };
}

/** Stands in both pages, and tells that they are the lab's. */
export const TITLE = "<title>clickgan lab</title>";

function pageOf(head: Html, scripts: Html): string {
  return markup`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
${new Html(TITLE)}
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

/** The files of the kernels that a script uses, by name. @throws Error for two of one name */
async function kernelsOf({ inputs }: Bundle): Promise<Record<string, string>> {
  const kernels: Record<string, string> = {};
  for (const path of [...inputs.keys()].filter((path) => path.endsWith(".wgsl"))) {
    const name = tableName(path);
    if (name in kernels) throw new Error(`expected one kernel of the name ${name}, found another: ${path}`);
    kernels[name] = await Deno.readTextFile(new URL(`../../${path}`, import.meta.url));
  }
  return kernels;
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
