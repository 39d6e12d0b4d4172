/** Data that the page carries beside its script: see build.ts. */

import type { ShippedLadder } from "../../ladder/shipped.ts";
import type { KernelTexts } from "../draw/kernel_panel.ts";

export interface Carried {
  readonly texts: KernelTexts;
  readonly ladders: readonly ShippedLadder[];
}

export function carried(): Carried {
  const text = document.getElementById("lab-data")?.textContent;
  if (!text) return { texts: { chapters: {}, chapterOf: {}, references: {}, files: {} }, ladders: [] };
  return JSON.parse(text) as Carried; // as build.ts has put it there
}
