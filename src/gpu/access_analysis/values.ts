/** What is known of an invocation's values: whole numbers and conditions, by WGSL's own arithmetic. */

import type { Type } from "./types.ts";

/** A whole number, a condition, or a vector or structure of them; undefined where nobody knows it. */
export type Value = number | boolean | undefined | Fields;
export interface Fields {
  readonly [name: string]: Value;
}

const OPERATE: Readonly<Record<string, (a: number, b: number) => number | boolean>> = {
  ...{ "|": (a, b) => (a | b) >>> 0, "^": (a, b) => (a ^ b) >>> 0, "&": (a, b) => (a & b) >>> 0 },
  ...{ "==": (a, b) => a === b, "!=": (a, b) => a !== b, "<": (a, b) => a < b, "<=": (a, b) => a <= b },
  ...{ ">": (a, b) => a > b, ">=": (a, b) => a >= b, "<<": (a, b) => a * 2 ** b, ">>": (a, b) => a >>> b },
  ...{ "+": (a, b) => a + b, "-": (a, b) => a - b, "*": (a, b) => a * b },
  ...{ "/": (a, b) => Math.trunc(a / b), "%": (a, b) => a % b },
};

/** What is negative or above 32 bits depends on a type, and on who wraps it: it counts as unknown. */
export function operated(sign: string, a: Value, b: Value): Value {
  if (typeof a !== "number" || typeof b !== "number") return undefined;
  const value = OPERATE[sign]?.(a, b);
  return typeof value !== "number" || (value >= 0 && value < 2 ** 32) ? value : undefined;
}

/** Of signs before an operand. */
export function negated(sign: string, value: Value): Value {
  if (sign === "!" && typeof value === "boolean") return !value;
  return sign === "~" && typeof value === "number" ? ~value >>> 0 : undefined;
}

const numbers = (of: (...values: number[]) => number) => (...values: Value[]): Value =>
  values.every((value) => typeof value === "number") ? of(...values as number[]) : undefined;

/** Functions of WGSL whose values are followed. */
export const BUILTINS: Readonly<Record<string, (...values: Value[]) => Value>> = {
  min: numbers((a, b) => Math.min(a, b)),
  max: numbers((a, b) => Math.max(a, b)),
  clamp: numbers((x, low, high) => Math.min(Math.max(x, low), high)),
  // Beside a float a whole number is one, too.
  select: (no, yes, which) => [no, yes, which].includes(undefined) ? undefined : which ? yes : no,
  u32: (value) => typeof value === "boolean" ? Number(value) : value,
  vec2u: (...values) => values.length === 2 ? vectorOf(values) : undefined,
  vec3u: (...values) => values.length === 3 ? vectorOf(values) : undefined,
  vec4u: (...values) => values.length === 4 ? vectorOf(values) : undefined,
};

export function vectorOf(values: readonly Value[]): Fields {
  return Object.fromEntries(values.map((value, k) => ["xyzw"[k], value]));
}

/** What makes a value of a type, if it is a structure. */
export function structure(type: Type | undefined) {
  if (!type?.fields) return undefined;
  const fields = [...type.fields];
  return (...values: Value[]): Fields =>
    Object.fromEntries(fields.map(([name, { type }], k) => [name, typed(values[k], type)]));
}

/** What a value is as one of a type: a number that is declared as i32 or f32 does not count as one. */
export function typed(value: Value, type: Type | undefined): Value {
  const foreign = type !== undefined && !type.whole && !type.element && !type.fields;
  return foreign && typeof value === "number" ? undefined : value;
}
