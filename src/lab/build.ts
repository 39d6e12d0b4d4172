/** Makes the lab's page: one HTML file that needs nothing beside it, and the same as a folder of static files. */

import type { ShippedLadder } from "../selftest/profile/bench_report.ts";
import { fileURLToPath } from "node:url";
import { Html, htmlPage, inlineScript, jsonScript, markup, scriptText } from "../report/html.ts";
import { type Bundle, bundle, packageText } from "../serve/bundle/bundle.ts";
import { tableName } from "../serve/bundle/kernel_table.ts";
import { version } from "../version.ts";
import { MISSING } from "./client/later_script.ts";
import type { KernelTexts } from "./draw/kernel_panel.ts";

const ROOT = new URL("../../", import.meta.url);
const read = (path: string) => Deno.readTextFile(new URL(path, ROOT));

/** The page, in both forms. */
export interface LabPage {
  /** One file: works from the disk, too. */
  readonly single: string;
  /** Files of the folder, by name. */
  readonly files: ReadonlyMap<string, string>;
  /** JavaScript alone. The last three are loaded when they are wanted: see client/scripts.ts. */
  readonly scripts: Readonly<Record<"page" | "worker" | "screens" | "kernels" | "reader", Bundle>>;
}

/**
 * Nothing is loaded from anywhere but the page's own files, and nothing can be sent away. The worker begins as a Blob: see
 * client/main.ts.
 */
const POLICY = "default-src 'none'; script-src 'self' 'unsafe-inline' blob:; worker-src 'self' blob:; " +
  "style-src 'self' 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'";

/**
 * Of what decompresses Parquet. Snappy is WebAssembly there, which the page's policy does not allow: hyparquet has it in
 * JavaScript. Brotli comes with a dictionary, and is larger than all else that reads files.
 */
const INSTEAD = {
  "hysnappy": "export const snappyUncompressor = () => undefined; export const snappyUncompress = undefined;",
  "./brotli.js": "export const decompressBrotli = undefined;",
};

/** What the page carries as data: the kernels, what is known of them, and the ladders' figures. See client/scripts.ts. */
const KERNELS_ID = "lab-kernels";
const DATA_ID = "lab-data";

/** What the page does where its own script is not beside it. */
const WITHOUT_SCRIPT = new Html(
  `document.getElementById('lab').textContent = 'Expected the page\\'s script ' + this.src + ', ${MISSING}'`,
);

/** Names of {@link LabPage.files}. */
export const LAB_FILES: readonly string[] = [
  ...["index.html", "lab.css", "lab.js", "worker.js", "screens.js", "kernels.js", "reader.js"],
  ...["machine_code.js", "lab.html"],
];

/** @returns the same bytes for the same sources. @throws Error with all that the bundler says */
export async function buildLab(): Promise<LabPage> {
  const entry = (name: string) => fileURLToPath(new URL(`./client/${name}`, import.meta.url));
  const page = await bundle({ entry: entry("main.ts"), format: "iife" });
  const worker = await bundle({ entry: entry("worker.ts"), format: "iife", kernels: "from a table" });
  const checks = await bundle({
    entry: entry("services/kernels.ts"),
    format: "esm",
    kernels: "from a table",
  });
  const reader = await bundle({ entry: entry("reader.ts"), format: "esm", instead: INSTEAD });
  const define = { CLICKGAN_VERSION: JSON.stringify(version) };
  const screens = await bundle({ entry: entry("other_screens.ts"), format: "esm", define });
  const style = [
    await packageText(entry("other_screens.ts"), "prism-code-editor", "dist/layout.css"),
    await read("src/report/page.css"),
    await read("src/lab/client/lab.css"),
  ].join("\n");
  // As `deno task bench ladder` has written them.
  const ladders: ShippedLadder[] = JSON.parse(await read("bench/ladder.json"));
  const kernels = await kernelFiles(worker, checks);
  const machineCode = JSON.stringify(JSON.parse(await read("bench/compiled.json")));
  /** Files of the folder; in the single file they are text that does not run. */
  const asked = {
    worker: worker.text,
    ...{ screens: screens.text, kernels: checks.text, reader: reader.text },
    machine_code: `export const machineCode = ${machineCode};`,
  };
  const data = markup`${jsonScript(KERNELS_ID, kernels)}
${jsonScript(DATA_ID, { texts: await kernelTexts(), ladders })}`;
  const single = pageOf(
    markup`<style>
${new Html(style)}</style>`,
    markup`${data}
${
      Object.entries(asked).map(([name, text]) =>
        markup`<script type="text/plain" id="${name}-script">${scriptText(text)}</script>
`
      )
    }${inlineScript(page.text)}`,
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
    ...Object.entries(asked).map(([name, text]) => [`${name}.js`, text] as const),
    ["lab.html", single],
  ]);
  return { single, files, scripts: { page, worker, screens, kernels: checks, reader } };
}

/** Stands in both pages, and tells that they are the lab's. */
export const TITLE = "<title>clickgan lab</title>";

function pageOf(head: Html, scripts: Html): string {
  const body = markup`<div id="lab">
<noscript><p>This page is made by a script, which is switched off here.</p></noscript>
</div>
${scripts}`;
  return htmlPage(POLICY, markup`${new Html(TITLE)}\n${head}`, body);
}

/** The files of the kernels that scripts use, by name. @throws Error for two of one name */
async function kernelFiles(...scripts: readonly Bundle[]): Promise<Record<string, string>> {
  const kernels: Record<string, string> = {};
  const paths = new Set(scripts.flatMap(({ inputs }) => [...inputs.keys()]));
  for (const path of [...paths].filter((path) => path.endsWith(".wgsl"))) {
    const name = tableName(path);
    if (name in kernels) throw new Error(`expected one kernel of the name ${name}, found another: ${path}`);
    kernels[name] = await read(path);
  }
  return kernels;
}

/** Chapters that are about the kernels of a training step. */
const CHAPTERS = [1, 2, 3, 4, 5, 6, 7, 8, 9];

/** The one about those for a CPU adapter. */
const CPU_CHAPTER = 12;

/** @throws Error where the course or an op has lost what is looked for. */
export async function kernelTexts(): Promise<Omit<KernelTexts, "files">> {
  const chapters: Record<string, { title: string; mathematics: string }> = {};
  const chapterOf: Record<string, string> = {};
  const pages = await namesOf("kernels/course/", ".md");
  const page = async (number: number) => {
    const file = pages.find((name) => name.startsWith(`${number}-`));
    if (file === undefined) throw new Error(`kernels/course has no chapter ${number}`);
    return { file, text: await read(`kernels/course/${file}`) };
  };
  for (const number of CHAPTERS) {
    const { file, text } = await page(number);
    chapters[file] = chapterOfText(file, text);
    for (const kernel of kernelsOf(text)) chapterOf[kernel] ??= file;
  }
  for (const kernel of kernelsOf((await page(CPU_CHAPTER)).text)) {
    // The same mathematics as the GPU's kernels of this name.
    const twin = Object.keys(chapterOf).find((name) => stem(name) === stem(kernel));
    if (twin !== undefined) chapterOf[kernel] ??= chapterOf[twin] ?? "";
  }
  const references: Record<string, string> = {};
  for (const file of await namesOf("src/ops/", ".ts")) {
    const text = await read(`src/ops/${file}`);
    for (const [op, reference] of referencesOf(text)) references[op] = reference;
  }
  return { chapters, chapterOf, references };
}

/** A kernel's name without what tells its shapes apart. */
function stem(kernel: string): string {
  return kernel.replace(/_(tiled|panel|rows|group)$/, "").replace(/^row_dot_sum$/, "row_dot_forward");
}

async function namesOf(folder: string, ending: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(new URL(folder, ROOT)));
  return entries.map(({ name }) => name).filter((name) => name.endsWith(ending)).sort();
}

/** @throws Error for a chapter without its section. */
function chapterOfText(file: string, text: string): { title: string; mathematics: string } {
  const [, title] = /^# (.*)$/m.exec(text) ?? [];
  const [, mathematics] = /^## The mathematics\n([^]*?)^## /m.exec(text) ?? [];
  if (title === undefined || mathematics === undefined) {
    throw new Error(`kernels/course/${file}: expected a title and a section "The mathematics"`);
  }
  return { title, mathematics: mathematics.trim() };
}

/** The kernels that a chapter names in its first paragraph. */
export function kernelsOf(chapter: string): string[] {
  const [, first = ""] = /^Kernels([^]*?)\n\n/m.exec(chapter) ?? [];
  return [...first.matchAll(/\(\.\.\/\w+\/(\w+)\.wgsl\)/g)].map(([, name]) => name ?? "");
}

/** The f64 references of a file of ops, by the names of the ops that have them. */
export function referencesOf(text: string): [op: string, reference: string][] {
  const ops = [...text.matchAll(/\bop: "(\w+)"/g)].map(([, op]) => op ?? "");
  const found = [...text.matchAll(/^(?:export )?(?:function|const) (\w*[rR]eference)\b[^]*?^\}(?:;|\))*$/gm)]
    .map((
      [source],
    ) => source);
  return found.length === 0 ? [] : ops.map((op) => [op, found.join("\n\n")]);
}
