/** Schemas of external data: the library valibot (small enough for web pages), with additions for JSON. */

import * as v from "valibot";

export * from "valibot";

/** Returns a schema of finite numbers. It refuses JSON's `1e999`, which is parsed as Infinity. */
export const finiteNumber = () => v.pipe(v.number(), v.finite());

export const wholeNumber = () => v.pipe(v.number(), v.safeInteger());

export const whole = (least: number, most = Number.MAX_SAFE_INTEGER) =>
  v.pipe(v.number(), v.safeInteger(), v.minValue(least), v.maxValue(most));

export const atLeast = (least: number) => v.pipe(v.number(), v.finite(), v.minValue(least));

/** Returns a schema of numbers above 0 and at most `most`. */
export const positive = (most = Number.MAX_VALUE) => v.pipe(v.number(), v.gtValue(0), v.maxValue(most));

/** Returns a schema of numbers from `least` to `most`, both included. */
export const between = (least: number, most: number) =>
  v.pipe(v.number(), v.minValue(least), v.maxValue(most));

/** Maximum number of characters that describe a refused value. */
const LONGEST_MESSAGE = 200;
const SIGNS = { ">=": "at least", "<=": "at most", ">": "more than" } as const;

/** Describes the values that a schema refused. Each line has path, expected value and found value. */
export function describeIssues(issues: readonly v.BaseIssue<unknown>[]): string {
  return issues.map((issue) => {
    const place = v.getDotPath(issue);
    return (place === null ? "" : `${place}: `) + describeIssue(issue);
  }).join("\n");
}

/** Describes a refused value. Control characters, which could harm the terminal, become "?". */
export function describeIssue({ message, expected }: v.BaseIssue<unknown>): string {
  if (message.startsWith("Invalid key: ")) return expected === "never" ? "not known" : "missing";
  const plain = message.replace(/^Invalid [a-z ]+: E(xpected .*?) but received /s, "e$1, got ")
    .replace(/^expected (>=|<=|>)(?=-?\d)/, (_, sign: keyof typeof SIGNS) => `expected ${SIGNS[sign]} `)
    .replace(/\p{C}/gu, "?");
  return plain.length > LONGEST_MESSAGE ? `${plain.slice(0, LONGEST_MESSAGE)} ...` : plain;
}
