/** Tells data from other data: a training goes on with those that it was begun on. */

import type { LogSource } from "../../../data/log_source.ts";

/** @returns the same for the same log, of users, pages, clicks and features. Not made against forgery. */
export function dataChecksum({ log, items }: LogSource): string {
  let sum = 0x811c9dc5; // FNV-1a, by words of 32 bits
  const add = (values: Uint8Array | Uint32Array | undefined) =>
    values?.forEach((word) => sum = Math.imul(sum ^ word, 0x01000193));
  if (log) {
    for (const part of [log.userSplit, log.userEvents, log.eventRows, log.eventClick]) add(part);
    for (const part of [log.eventGiven, log.rowItem]) add(part);
  }
  const features = items.items;
  if (features && features.kind !== "one-hot") {
    const { buffer, byteOffset, length } = features.values;
    add(new Uint32Array(buffer, byteOffset, length));
    if (features.kind === "mixed") [features.tokens.first, features.tokens.token].forEach(add);
  }
  return (sum >>> 0).toString(16);
}
