/** Makes the lab's page: one HTML file that needs nothing beside it. */

import { fileURLToPath } from "node:url";
import { Html, htmlPage, inlineScript, jsonScript, markup, scriptText } from "../report/html.ts";
import { buildBundle, type Bundle, readPackageFile } from "../serve/bundle/bundle.ts";
import { getKernelKey } from "../serve/bundle/kernel_table.ts";
import { version } from "../version.ts";
import type { KernelTexts, PageData } from "./draw/kernel_panel.ts";

const ROOT = new URL("../../", import.meta.url);
const read = (path: string) => Deno.readTextFile(new URL(path, ROOT));

export interface LabPage {
  readonly html: string;
  /** JavaScript alone. The last two are loaded when they are wanted: see client/connection.ts. */
  readonly scripts: Readonly<Record<"page" | "worker" | "kernels" | "reader", Bundle>>;
}

/** Nothing is loaded, and nothing can be sent away. The worker and scripts begin as a Blob: see client/connection.ts. */
const POLICY = "default-src 'none'; script-src 'unsafe-inline' blob:; worker-src blob:; " +
  "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'";

/**
 * Of what decompresses Parquet. Snappy is WebAssembly there, which the page's policy does not allow: hyparquet has it in
 * JavaScript. Brotli comes with a dictionary, and is larger than all else that reads files.
 */
const INSTEAD = {
  "hysnappy": "export const snappyUncompressor = () => undefined; export const snappyUncompress = undefined;",
  "./brotli.js": "export const decompressBrotli = undefined;",
};

/** @returns the same bytes for the same sources. @throws Error with all that the bundler says */
export async function buildLab(): Promise<LabPage> {
  const entry = (name: string) => fileURLToPath(new URL(`./client/${name}`, import.meta.url));
  const page = await buildBundle({ entry: entry("main.ts"), format: "iife" });
  const worker = await buildBundle({
    entry: entry("worker_main.ts"),
    format: "iife",
    kernels: "from a table",
  });
  const checks = await buildBundle({
    entry: entry("services/kernel_services.ts"),
    format: "esm",
    kernels: "from a table",
  });
  const reader = await buildBundle({ entry: entry("reader.ts"), format: "esm", instead: INSTEAD });
  const style = [
    await readPackageFile(entry("main.ts"), "prism-code-editor", "dist/layout.css"),
    await read("src/report/page.css"),
    await read("src/lab/client/lab.css"),
  ].join("\n");
  // As `deno task bench ladder` and `deno task bench compiled` have written them.
  const [ladders, machineCode] = [await read("bench/ladder.json"), await read("bench/compiled.json")];
  const texts = { ...await collectKernelTexts(), files: await kernelFiles(worker, checks) };
  const carried: PageData = {
    ...{ texts, ladders: JSON.parse(ladders), machineCode: JSON.parse(machineCode), version },
  };
  const later = Object.entries({ worker, kernels: checks, reader }).map(([name, { text }]) =>
    markup`<script type="text/plain" id="${name}-script">${scriptText(text)}</script>
`
  );
  const body = markup`<div id="lab">
<noscript><p>This page is made by a script, which is switched off here.</p></noscript>
</div>
${jsonScript("lab-data", carried)}
${later}${inlineScript(page.text)}`;
  const head = markup`${new Html(TITLE)}
<style>
${new Html(style)}</style>`;
  return { html: htmlPage(POLICY, head, body), scripts: { page, worker, kernels: checks, reader } };
}

/** Tells that a page is the lab's. */
export const TITLE = "<title>clickgan lab</title>";

/** The files of the kernels that scripts use, by name. @throws Error for two of one name */
async function kernelFiles(...scripts: readonly Bundle[]): Promise<Record<string, string>> {
  const kernels: Record<string, string> = {};
  const paths = new Set(scripts.flatMap(({ inputs }) => [...inputs.keys()]));
  for (const path of [...paths].filter((path) => path.endsWith(".wgsl"))) {
    const name = getKernelKey(path);
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
export async function collectKernelTexts(): Promise<Omit<KernelTexts, "files">> {
  const chapters: Record<string, { title: string; mathematics: string }> = {};
  const chapterOf: Record<string, string> = {};
  const pages = await listNames("kernels/course/", ".md");
  const page = async (number: number) => {
    const file = pages.find((name) => name.startsWith(`${number}-`));
    if (file === undefined) throw new Error(`kernels/course has no chapter ${number}`);
    return { file, text: await read(`kernels/course/${file}`) };
  };
  for (const number of CHAPTERS) {
    const { file, text } = await page(number);
    chapters[file] = chapterOfText(file, text);
    for (const kernel of findChapterKernels(text)) chapterOf[kernel] ??= file;
  }
  for (const kernel of findChapterKernels((await page(CPU_CHAPTER)).text)) {
    // The same mathematics as the GPU's kernels of this name.
    const twin = Object.keys(chapterOf).find((name) => stem(name) === stem(kernel));
    if (twin !== undefined) chapterOf[kernel] ??= chapterOf[twin] ?? "";
  }
  const references: Record<string, string> = {};
  for (const file of await listNames("src/ops/", ".ts")) {
    const text = await read(`src/ops/${file}`);
    for (const [op, reference] of findReferences(text)) references[op] = reference;
  }
  return { chapters, chapterOf, references };
}

/** A kernel's name without what tells its variants apart. */
function stem(kernel: string): string {
  return kernel.replace(/_(tiled|panel|rows|group)$/, "").replace(/^row_dot_sum$/, "row_dot_forward");
}

async function listNames(folder: string, ending: string): Promise<string[]> {
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
function findChapterKernels(chapter: string): string[] {
  const [, first = ""] = /^Kernels([^]*?)\n\n/m.exec(chapter) ?? [];
  return [...first.matchAll(/\(\.\.\/\w+\/(\w+)\.wgsl\)/g)].map(([, name]) => name ?? "");
}

/** The f64 references of a file of ops, by the names of the ops that have them. */
function findReferences(text: string): [op: string, reference: string][] {
  const ops = [...text.matchAll(/\bop: "(\w+)"/g)].map(([, op]) => op ?? "");
  const found = [...text.matchAll(/^(?:export )?(?:function|const) (\w*[rR]eference)\b[^]*?^\}(?:;|\))*$/gm)]
    .map((
      [source],
    ) => source);
  return found.length === 0 ? [] : ops.map((op) => [op, found.join("\n\n")]);
}
