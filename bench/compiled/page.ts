/** A page with each kernel's WGSL beside the machine code of its innermost loop. */

import { Html, markup } from "../../src/report/html.ts";
import { note, section, writePage } from "../../src/report/page_shell.ts";
import { cellsTable } from "../bench_page.ts";
import type { Compiled, CompiledText } from "./report.ts";
import { besideCells, stepCells } from "./tables.ts";

const STYLE = `
.beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: 1rem; }
.beside pre { overflow: auto; max-height: 40rem; font-size: .8rem; }
`;

/** @throws UserError when the page cannot be written. */
export async function writeCompiledPage(
  file: string,
  compiled: Compiled,
  texts: readonly CompiledText[],
): Promise<void> {
  const { compiler, gpus, steps } = compiled;
  const parts = texts.map((text, k) => section(`text-${k}`, text.kernel, textPart(text)));
  const reckoned = stepCells(steps, gpus);
  const main = markup`${
    steps.length > 0 &&
    section("steps", "Steps, reckoned and not measured", cellsTable(reckoned, "Steps, reckoned"))
  }
${parts}`;
  const header = markup`<h1>clickgan, compiled</h1>
<p class="path">${compiler}, for ${gpus.join(", ")}</p>
${
    note(
      "What a GPU's compiler makes of the kernels. Nothing ran on a GPU. The code is that of the innermost loop " +
        "that does the most arithmetic.",
    )
  }`;
  await writePage(file, { title: "clickgan, compiled", header, main, rules: STYLE });
}

function textPart({ kernel, source, uses, facts }: CompiledText): Html {
  const own = Object.values(facts);
  const code = own.map(({ gpu, loop, lines }) =>
    markup`
<details${gpu === own[0]?.gpu && new Html(" open")}><summary>${gpu}${
      loop ? "" : ", all of it, as no loop is left"
    }</summary><pre>${(loop?.lines ?? lines).join("\n")}</pre></details>`
  );
  return markup`<p class="note">${uses.join("; ")}</p>
${cellsTable(besideCells(own.map((one) => ({ name: one.gpu, facts: one }))), kernel)}
<div class="beside"><pre>${source.replace(/^(\/\/.*\n|\n)+/, "")}</pre><div>${code}</div></div>`;
}
