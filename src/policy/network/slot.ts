/** What differs between the slots of given slates, as data: slate_value has one text for all of them. */

import { NONE } from "../../data/click_log.ts";
import type { View } from "../../gpu/memory.ts";
import type { Sizes } from "../../gpu/sizes.ts";
import type { Call } from "../../tape/node.ts";
import { padded } from "../../tape/layout.ts";
import type { QNetwork } from "./q_network.ts";
import { basesOf, valuesOf, widthOf } from "./q_shape.ts";

/** In the order of the kernel's `struct Slot`. */
const fields = [
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
export type Slot = Readonly<Record<typeof fields[number], number>>;

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
  return call.upload(`slot ${slot.position + 1}`, Uint32Array.from(fields, (field) => slot[field]));
}
