/** Builds the page of the lab: one HTML file that needs no other file. */

import { fileURLToPath } from "node:url";
import { Html, htmlPage, inlineScript, jsonScript, markup, scriptText } from "../report/html.ts";
import { buildBundle, type Bundle, readPackageFile } from "../serve/bundle/bundle.ts";
import { getKernelTableKey } from "../serve/bundle/kernel_table.ts";
import { version } from "../version.ts";
import type { KernelTexts, PageData } from "./draw/kernel_panel.ts";

const ROOT = new URL("../../", import.meta.url);
const read = (path: string) => Deno.readTextFile(new URL(path, ROOT));

export interface LabPage {
  readonly html: string;
  /** Bundled JavaScript. The scripts "kernels" and "reader" (of users' files) are loaded at first use. */
  readonly scripts: Readonly<Record<"page" | "worker" | "kernels" | "reader", Bundle>>;
}

/** Security policy: the page cannot load or send data, but can start scripts and a worker from Blobs. */
const POLICY = "default-src 'none'; script-src 'unsafe-inline' blob:; worker-src blob:; " +
  "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'";

/**
 * Stubs for two decompressors of Parquet files. hysnappy needs WebAssembly, which POLICY forbids; hyparquet
 * then decodes Snappy in JavaScript. The Brotli decompressor would more than double the script's size.
 */
const STUBS = {
  "hysnappy": "export const snappyUncompressor = () => undefined; export const snappyUncompress = undefined;",
  "./brotli.js": "export const decompressBrotli = undefined;",
};

/** Builds the page. @throws Error with the messages of the bundler */
export async function buildLab(): Promise<LabPage> {
  const entry = (name: string) => fileURLToPath(new URL(`./client/${name}`, import.meta.url));
  const page = await buildBundle({ entry: entry("main.ts"), format: "iife" });
  const [kernels, checksEntry] = ["from a table" as const, entry("services/kernel_services.ts")];
  const worker = await buildBundle({ entry: entry("worker_main.ts"), format: "iife", kernels });
  const checks = await buildBundle({ entry: checksEntry, format: "esm", kernels });
  const reader = await buildBundle({ entry: entry("reader.ts"), format: "esm", replacements: STUBS });
  const style = [
    await readPackageFile(entry("main.ts"), "prism-code-editor", "dist/layout.css"),
    await read("src/report/page.css"),
    await read("src/lab/client/lab.css"),
  ].join("\n");
  // `deno task bench ladder` and `deno task bench compiled` write these two JSON files.
  const [ladders, machineCode] = [await read("bench/ladder.json"), await read("bench/compiled.json")];
  const texts = { ...await collectKernelTexts(), files: await kernelFiles(worker, checks) };
  const recorded = { ladders: JSON.parse(ladders), machineCode: JSON.parse(machineCode) };
  const data: PageData = { texts, ...recorded, version };
  const later = Object.entries({ worker, kernels: checks, reader }).map(([name, { text }]) =>
    markup`<script type="text/plain" id="${name}-script">${scriptText(text)}</script>
`
  );
  const body = markup`<div id="lab">
<noscript><p>This page needs JavaScript, which is switched off.</p></noscript>
</div>
${jsonScript("lab-data", data)}
${later}${inlineScript(page.text)}`;
  const head = markup`${new Html(TITLE)}
<style>
${new Html(style)}</style>`;
  return { html: htmlPage(POLICY, head, body), scripts: { page, worker, kernels: checks, reader } };
}

/** Title element of the lab's page. The command `lab` overwrites only files with this element. */
export const TITLE = "<title>clickgan lab</title>";

/** Returns the WGSL files that scripts import, by kernel name. @throws Error if a name occurs twice */
async function kernelFiles(...scripts: readonly Bundle[]): Promise<Record<string, string>> {
  const kernels: Record<string, string> = {};
  const paths = new Set(scripts.flatMap(({ inputs }) => [...inputs.keys()]));
  for (const path of [...paths].filter((path) => path.endsWith(".wgsl"))) {
    const name = getKernelTableKey(path);
    if (name in kernels) {
      throw new Error(`Expected kernel names to be unique, got a second ${name}: ${path}.`);
    }
    kernels[name] = await read(path);
  }
  return kernels;
}

/** Number of the last chapter of the course that explains kernels of a training step. */
const LAST_STEP_CHAPTER = 9;
/** Number of the course's chapter about kernels for CPU adapters. */
const CPU_CHAPTER = 12;

/** Titles of sections of kernels/README.md and bench/ladder.md that the lab shows as further chapters. */
const SECTIONS = [
  "A kernel of your own",
  "The exercises",
  "One training step",
  "How do you know that a kernel is right?",
  "Memory or arithmetic?",
  "Glossary",
  "How a step is timed",
];

/** Returns the course chapter of each kernel, and the code of the float64 reference of each op. */
export async function collectKernelTexts(): Promise<Omit<KernelTexts, "files">> {
  const chapters: Record<string, { title: string; text: string }> = {};
  const chapterOf: Record<string, string> = {};
  const pages = await listNames("kernels/course/", ".md");
  const later: string[] = [];
  for (const file of pages.sort((a, b) => parseInt(a) - parseInt(b))) {
    const text = trimTables(await read(`kernels/course/${file}`));
    chapters[file] = { title: /^# (.*)$/m.exec(text)?.[1] ?? file, text };
    const [number, kernels] = [parseInt(file), findChapterKernels(text)];
    if (number === CPU_CHAPTER) later.push(...kernels);
    if (number <= LAST_STEP_CHAPTER) { for (const kernel of kernels) chapterOf[kernel] ??= file; }
  }
  const others = [await read("kernels/README.md"), await read("bench/ladder.md")];
  const sections = others.flatMap((page) => trimTables(page).split(/^## /m));
  for (const title of SECTIONS) {
    const anchor = title.toLowerCase().replace("?", "").replaceAll(" ", "-");
    const text = sections.find((own) => own.startsWith(title));
    if (text === undefined) throw new Error(`expected a section "${title}" of the course, found none`);
    chapters[`${anchor}.md`] = { title, text: `# ${text}` };
  }
  for (const kernel of later) {
    // A kernel for CPU adapters gets the chapter of the GPU kernel that computes the same.
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

/** Removes the spaces and dashes that align the columns of a page's tables. */
function trimTables(page: string): string {
  return page.replaceAll(/^\|.*\|$/gm, (row) => row.replaceAll(/ {2,}/g, " ").replaceAll(/-{3,}/g, "--"));
}

/** Removes the suffix of the variant (such as _tiled) from the name of a kernel. */
function stem(kernel: string): string {
  return kernel.replace(/_(tiled|panel|rows|group)$/, "");
}

async function listNames(folder: string, ending: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(new URL(folder, ROOT)));
  return entries.map(({ name }) => name).filter((name) => name.endsWith(ending)).sort();
}

/** Returns the names of the kernels that the first paragraph of a chapter links to. */
function findChapterKernels(chapter: string): string[] {
  const [, first = ""] = /^# .*\n\n([^]*?)\n\n/.exec(chapter) ?? [];
  return [...first.matchAll(/\(\.\.\/\w+\/(\w+)\.wgsl\)/g)].map(([, name]) => name ?? "");
}

/** Returns the names of a source file's ops, each with the code of all float64 references in the file. */
function findReferences(text: string): [op: string, reference: string][] {
  const ops = [...text.matchAll(/\bop: "(\w+)"/g)].map(([, op]) => op ?? "");
  const pattern = /^(?:export )?(?:function|const) (\w*[rR]eference)\b[^]*?^\}(?:;|\))*$/gm;
  const found = [...text.matchAll(pattern)].map(([source]) => source);
  return found.length === 0 ? [] : ops.map((op) => [op, found.join("\n\n")]);
}
