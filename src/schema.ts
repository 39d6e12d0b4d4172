/** Adds schemas for JSON data to the validation library valibot. */

import * as v from "valibot";

export * from "valibot";

/** Returns a schema of finite numbers. JSON.parse reads 1e999 as Infinity, which is refused. */
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

/** Returns valibot's schema of an object. An unknown key is refused, with a list of all known keys. */
export const strictObject = <const T extends v.ObjectEntries>(entries: T) =>
  v.strictObject(
    entries,
    ({ expected, message }: v.StrictObjectIssue) =>
      expected === "never" ? `${INVALID_KEY}${Object.keys(entries).join(", ")}` : message,
  );

/** Prefix of valibot's message about a missing key or an unknown key. */
const INVALID_KEY = "Invalid key: ";
/** Maximum number of characters that describe a refused value. */
const LONGEST_MESSAGE = 200;
const SIGNS = { ">=": "at least", "<=": "at most", ">": "more than" } as const;

/** Describes the values that a schema refused, one per line: the path, the expected and the found value. */
export function describeIssues(issues: readonly v.BaseIssue<unknown>[]): string {
  return issues.map((issue) => {
    const place = v.getDotPath(issue);
    return (place === null ? "" : `${place}: `) + describeIssue(issue);
  }).join("\n");
}

/** Describes a refused value; control characters, which could harm the terminal, become "?". */
export function describeIssue({ message, expected }: v.BaseIssue<unknown>): string {
  if (message.startsWith(INVALID_KEY)) {
    return expected === "never" ? `not one of ${message.slice(INVALID_KEY.length)}` : "missing";
  }
  const plain = message.replace(/^Invalid [a-z ]+: E(xpected .*?) but received /s, "e$1, got ")
    .replace(/^expected (>=|<=|>)(?=-?\d)/, (_, sign: keyof typeof SIGNS) => `expected ${SIGNS[sign]} `)
    .replace(/\p{C}/gu, "?");
  return plain.length > LONGEST_MESSAGE ? `${plain.slice(0, LONGEST_MESSAGE)} ...` : plain;
}
