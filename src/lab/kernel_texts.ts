/** What the page says of kernels besides their own text: taken from the course and from the ops as they stand. */

import type { KernelTexts } from "./draw/kernel_panel.ts";

const ROOT = new URL("../../", import.meta.url);

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
    return { file, text: await Deno.readTextFile(new URL(`kernels/course/${file}`, ROOT)) };
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
    const text = await Deno.readTextFile(new URL(`src/ops/${file}`, ROOT));
    for (const [op, reference] of referencesOf(text)) references[op] = reference;
  }
  return { chapters, chapterOf, references };
}

/** A kernel's name without what tells its shapes apart. */
function stem(kernel: string): string {
  return kernel.replace(/_(tiled|panel|rows)$/, "").replace(/^row_dot_sum$/, "row_dot_forward");
}

async function namesOf(folder: string, ending: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(new URL(folder, ROOT))) {
    if (name.endsWith(ending)) names.push(name);
  }
  return names.sort();
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
