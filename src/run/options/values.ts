/** Values of options as text: what is expected of them, and what to say when something else is given. */

import type { whole } from "../../schema.ts";
import { UserError } from "../../user_error.ts";

export const LARGEST_SEED = 2 ** 32 - 1;

/** What an option does not take. The message says what was expected; which option it is, says whoever asks. */
export class InvalidValue extends UserError {}

/** A whole number of `least` or more. @throws InvalidValue from what it returns, as all of these. */
export function wholeNumber(least: number, most = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text.trim()) && value >= least && value <= most) return value;
    const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `in ${least}..${most}`;
    throw new InvalidValue(`Expected a whole number ${range}, got "${text}".`);
  };
}

/** A whole number in the range of a schema, so that an option takes what its config does. */
export function wholeOf({ pipe: [, , least, most] }: ReturnType<typeof whole>): (text: string) => number {
  return wholeNumber(least.requirement, most.requirement);
}

/** What accepts numbers (https://standardschema.dev). */
export interface NumberSchema {
  readonly "~standard": { validate(value: unknown): object };
}

/** A number that a schema accepts. @param expected such numbers, in words. */
export function numberOf(schema: NumberSchema, expected: string): (text: string) => number {
  return (text) => {
    const value = text.trim() === "" ? NaN : Number(text);
    const found = schema["~standard"].validate(value);
    if (!("issues" in found) || found.issues === undefined) return value;
    throw new InvalidValue(`Expected ${expected}, got "${text}".`);
  };
}

/** Sizes of layers such as 64-64. */
export function layerSizes(text: string): number[] {
  const sizes = text.split("-").map(Number);
  if (/^\d+(-\d+)*$/.test(text) && sizes.every((size) => size >= 1 && size <= 4096) && sizes.length <= 8) {
    return sizes;
  }
  throw new InvalidValue(
    `Expected 1 to 8 sizes of 1..4096 joined by hyphens, such as 64-64 or 32-64-32, got "${text}".`,
  );
}
