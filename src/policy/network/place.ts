/** What differs between the positions of a slate, as data: kernels of slates have one text for all of them. */

import type { Arena } from "../../gpu/arena.ts";
import type { View } from "../../gpu/memory.ts";

/** Items whose bits are a word, and of which a score kernel keeps the best. */
export const PANEL = 32;

/** How many panels a catalogue has. */
export function panelsOf(items: number): number {
  return Math.ceil(items / PANEL);
}

/** In the order of the kernels' `struct Place`. Numbers that end with 4 count vectors of four. */
const fields = [
  "items",
  "maskStride",
  "slate",
  "position",
  "baseStride4",
  "nextAt4",
  "tableStride4",
  "tableAt4",
  "chosenAt4",
  "laterAt4",
  "later4",
  "output4",
  "nextBias4",
  "qStride",
  "scoresStride4",
  "panels",
] as const;

/** See the comments of `struct Place` in kernels/slates/slate_pick.wgsl. What is left out is 0. */
export type Place = Partial<Readonly<Record<typeof fields[number], number>>>;

/** A place as kernels read it. */
export function placeWords(place: Place): Uint32Array<ArrayBuffer> {
  return Uint32Array.from(fields, (field) => place[field] ?? 0);
}

/** Uploads a place. @param name for the buffer's label */
export function uploadPlace(arena: Arena, name: string, place: Place): View {
  return arena.upload(`place: ${name}`, placeWords(place));
}
