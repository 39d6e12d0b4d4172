/** Schemas of what comes from outside: valibot, which is small enough for a page to carry, and what JSON needs beside it. */

import * as v from "valibot";

export * from "valibot";

/** A number that is finite, as JSON's `1e999` is not. */
export const finiteNumber = () => v.pipe(v.number(), v.finite());

/** Any whole number. */
export const wholeNumber = () => v.pipe(v.number(), v.safeInteger());

/** A whole number in a range. */
export const whole = (least: number, most = Number.MAX_SAFE_INTEGER) =>
  v.pipe(v.number(), v.safeInteger(), v.minValue(least), v.maxValue(most));

/** A finite number of at least `least`. */
export const atLeast = (least: number) => v.pipe(v.number(), v.finite(), v.minValue(least));

/** A number above 0, up to `most`. */
export const positive = (most = Number.MAX_VALUE) => v.pipe(v.number(), v.gtValue(0), v.maxValue(most));

/** A number in a range, with its ends. */
export const between = (least: number, most: number) =>
  v.pipe(v.number(), v.minValue(least), v.maxValue(most));

/** Of a value that was refused, as it is shown. */
const LONGEST_MESSAGE = 200;
const SIGNS = { ">=": "at least", "<=": "at most", ">": "more than" } as const;

/** What a schema refused, a line each: where, what was expected, what stands there. */
export function describeIssues(issues: readonly v.BaseIssue<unknown>[]): string {
  return issues.map((issue) => {
    const place = v.getDotPath(issue);
    return (place === null ? "" : `${place}: `) + describeIssue(issue);
  }).join("\n");
}

/** Without what a damaged file could do to a terminal: it quotes values as they are. */
export function describeIssue({ message, expected }: v.BaseIssue<unknown>): string {
  if (message.startsWith("Invalid key: ")) return expected === "never" ? "not known" : "missing";
  const plain = message.replace(/^Invalid [a-z ]+: E(xpected .*?) but received /s, "e$1, got ")
    .replace(/^expected (>=|<=|>)(?=-?\d)/, (_, sign: keyof typeof SIGNS) => `expected ${SIGNS[sign]} `)
    .replace(/\p{C}/gu, "?");
  return plain.length > LONGEST_MESSAGE ? `${plain.slice(0, LONGEST_MESSAGE)} ...` : plain;
}
