/** What differs between the positions of a slate, as data: kernels of slates have one text for all of them. */

import type { Arena } from "../../gpu/arena.ts";
import type { View } from "../../gpu/memory.ts";
import { NONE } from "../../data/click_log.ts";
import type { Sizes } from "../../gpu/sizes.ts";
import type { Call } from "../../tape/node.ts";
import { padded } from "../../tape/tensor.ts";
import { basesOf, type QNetwork, valuesOf, widthOf } from "./q_network.ts";

/** Items whose bits are a word, and of which a score kernel keeps the best. */
export const PANEL = 32;

/** How many panels a catalogue has. */
export function panelsOf(items: number): number {
  return Math.ceil(items / PANEL);
}

/** In the order of the kernels' `struct Place`. Numbers that end with 4 count vectors of four. */
const placeFields = [
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
export type Place = Partial<Readonly<Record<typeof placeFields[number], number>>>;

/** A place as kernels read it. */
export function placeWords(place: Place): Uint32Array<ArrayBuffer> {
  return Uint32Array.from(placeFields, (field) => place[field] ?? 0);
}

/** Uploads a place. @param name for the buffer's label */
export function uploadPlace(arena: Arena, name: string, place: Place): View {
  return arena.upload(`place: ${name}`, placeWords(place));
}

/** In the order of the kernel's `struct Slot`. */
const slotFields = [
  "slate",
  "position",
  "baseStride4",
  "baseAt4",
  "bias4",
  "tableStride4",
  "tableAt4",
  "chosenAt4",
  "laterAt4",
  "later4",
  "output4",
  "qStride",
  "valueStride",
  "valueAt",
  "zeroAt",
] as const;

/** See the comments of `struct Slot` in kernels/slates/slate_value_forward.wgsl. */
export type Slot = Readonly<Record<typeof slotFields[number], number>>;

/** How the kernels work through a network of this shape. */
export function slotOf(network: QNetwork, position: number, qStride: number): Slot {
  const { shape } = network;
  const { kind, slate, units, zero } = shape;
  const units4 = units / 4;
  const cascade = kind === "cascade";
  const later = position + 1 === slate || kind === "item" ? 0 : cascade ? slate - position - 1 : 1;
  return {
    slate,
    position,
    baseStride4: basesOf(shape) * units4,
    baseAt4: cascade ? position * units4 : 0,
    bias4: kind === "shared" ? network.first4("position/bias") + position * units4 : NONE,
    tableStride4: widthOf(shape, position) / 4,
    tableAt4: 0,
    chosenAt4: units4,
    laterAt4: cascade ? (position + 1) * units4 : 0,
    later4: later * units4,
    output4: network.first4("output/kernel") + (cascade ? position * units4 : 0),
    qStride,
    valueStride: padded(valuesOf(shape)),
    valueAt: kind === "item" ? 0 : position,
    zeroAt: zero ? 1 : NONE,
  };
}

/** Uploads a slot. */
export function uploadSlot<S extends Sizes>(call: Call<S>, slot: Slot): View {
  return call.upload(`slot ${slot.position + 1}`, Uint32Array.from(slotFields, (field) => slot[field]));
}
