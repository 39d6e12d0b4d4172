/** Screen "Course": chapters of the course, with links to exercises, kernels and their versions. */

import { type Html, markup } from "../../../report/html.ts";
import type { KernelTexts } from "../../draw/kernel_panel.ts";
import { renderMarkdown } from "../../draw/text.ts";
import { dom, element, fill } from "../elements.ts";
import type { Lab } from "../lab_app.ts";
import { readPageData } from "../connection.ts";

export function showCourse(root: HTMLElement, lab: Lab): void {
  const { texts } = readPageData();
  const files = Object.keys(texts.chapters);
  const shown = element("article", { class: "prose" });
  root.append(
    dom`<div><p class="lead">Each chapter explains kernels, and ends with questions and an exercise.</p>
${shown}</div>`,
  );
  lab.onShow("course", () => {
    const at = files.indexOf(`${lab.part}.md`);
    if (lab.part !== "" && at < 0) {
      lab.refuse(`the name of a chapter, such as ${getName(files[1])}`, lab.part);
    }
    fill(shown, at < 0 ? renderIndex(files, texts) : renderChapter(files, at, texts));
    scrollTo(0, 0);
  });
}

function getName(file = ""): string {
  return file.replace(/\.md$/, "");
}

function renderIndex(files: readonly string[], texts: KernelTexts): Html {
  return markup`<ul>${files.map((file) => markup`<li>${renderLink(file, texts)}</li>`)}</ul>`;
}

function renderLink(file: string, { chapters }: KernelTexts): Html {
  return markup`<a href="#course/${getName(file)}">${chapters[file]?.title}</a>`;
}

function renderChapter(files: readonly string[], at: number, texts: KernelTexts): Html {
  const text = texts.chapters[files[at] ?? ""]?.text ?? "";
  const next = files[at + 1];
  return markup`<p><a href="#course">All chapters</a></p>
${renderMarkdown(text, (target) => resolveLink(target, texts))}
${next !== undefined && markup`<p>Next: ${renderLink(next, texts)}</p>`}`;
}

/** Returns the address of a link's target in the lab or on the web; undefined if there is no address. */
function resolveLink(target: string, { chapters, files }: KernelTexts): string | undefined {
  if (target.startsWith("https://")) return target;
  const [, section] = /^(?:\.\.\/(?:README|.*\bladder)\.md)?#([\w-]+)$/.exec(target) ?? [];
  if (section !== undefined && `${section}.md` in chapters) return `#course/${section}`;
  const [, folder = "", name = "", ending] = /(?:(\w+)\/)?([\w-]+)\.(md|wgsl)/.exec(target) ?? [];
  if (ending === "md" && `${name}.md` in chapters) return `#course/${name}`;
  if (folder === "exercises") return `#exercise=${name}`;
  if (ending === "wgsl" && name in files) return `#step/${name}`;
  if (/ladder\.md#(matmul|lstm|choice)-/.test(target)) return target.replace(/.*#/, "#ladders/");
  return undefined;
}
