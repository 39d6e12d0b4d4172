/** Figures that were measured stand on the pages between markers, where the program writes them that measured them. */

import assert from "node:assert/strict";
import { type Page, pages } from "./docs/pages.ts";
import { kernelFiles } from "./kernel_files.ts";

const root = new URL("../", import.meta.url);

/** Times and rates of one's own machine. */
const MEASURED = /(?<![\w.])\d*\.?\d+ ?(?:ms|us|µs|ns|GFLOP\/s|GB\/s|steps\/s)\b/;

/** What looks like one, and is a setting of the program or of another one. */
const SETTINGS = [
  "20 to 200 ms", // samples of the host's clock
  "above 25 ms", // a frame that is late
  "some 80 ms", // a group of steps
  "every 10 ms", // Deno asks the device
  "takes Deno 10 ms or more", // the same
];

/** Tables with decimals that no program of ours has measured, by the first cells of their heads. */
const NOT_OURS: Readonly<Record<string, string>> = {
  "kernel / flops a byte": "worked out",
  "part / Linux": "versions",
  "measure / option": "settings",
};

interface Line {
  readonly at: string;
  readonly text: string;
}

/** Lines outside of code and of what a program writes between markers. */
function handWritten({ path, text }: Page): Line[] {
  const lines: Line[] = [];
  let code = false;
  let written: string | undefined;
  for (const [k, line] of text.split("\n").entries()) {
    const marker = /^<!-- (.+) -->$/.exec(line)?.[1];
    if (line.startsWith("```")) code = !code;
    else if (written !== undefined) written = marker === `end of ${written}` ? undefined : written;
    else if (marker !== undefined && text.includes(`<!-- end of ${marker} -->`)) written = marker;
    else if (!code) lines.push({ at: `${path}:${k + 1}`, text: line });
  }
  return lines;
}

const all = pages();

Deno.test("pages: times and rates stand where a program writes them", () => {
  assert.ok(all.length > 30);
  const found = all.flatMap(handWritten).filter(({ text }) =>
    MEASURED.test(SETTINGS.reduce((rest, setting) => rest.replace(setting, ""), text))
  );
  assert.deepEqual(found, []);
});

Deno.test("pages: tables with measured figures are written by programs", () => {
  const used = new Set<string>();
  const found = all.flatMap((page) => {
    const lines = handWritten(page);
    return lines.filter(({ text }, k) => {
      if (!text.startsWith("|") || lines[k - 1]?.text.startsWith("|")) return false;
      const end = lines.findIndex(({ text }, n) => n > k && !text.startsWith("|"));
      const body = lines.slice(k + 2, end < 0 ? undefined : end).map(({ text }) =>
        text.replaceAll(/`[^`]*`/g, "")
      );
      if (!body.some((row) => /(?<![\w.])\d*\.\d+(?![\w.])/.test(row))) return false;
      const head = text.split("|").slice(1, 3).map((cell) => cell.trim()).join(" / ");
      used.add(head);
      return NOT_OURS[head] === undefined;
    });
  });
  assert.deepEqual(found, []);
  assert.deepEqual(Object.keys(NOT_OURS).filter((head) => !used.has(head)), [], "no such table any more");
});

Deno.test("kernels: no file says what it took on a machine", () => {
  const folders = ["", "cpu/", "study/", "probe/", "exercises/"];
  const found = folders.flatMap(kernelFiles).filter((path) =>
    MEASURED.test(Deno.readTextFileSync(new URL(`kernels/${path}`, root)))
  );
  assert.deepEqual(found, []);
});
