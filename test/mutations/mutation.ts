/** A mutation: a small fault put into the program, which a test of the part itself has to notice. */

import { testFile } from "../test_files.ts";

export interface Mutation {
  /** From the project's folder. */
  readonly file: string;
  /** Stands in the file once. */
  readonly find: string;
  readonly replacement: string;
  /** Test files that have to notice it. */
  readonly tests: readonly string[];
  /** Only their tests with this in their names. */
  readonly filter?: string;
  /** Why nothing can notice it: it changes nothing. */
  readonly equivalent?: string;
}

/** Text, what takes its place, and where it changes nothing, why. */
export type Change = readonly [find: string, replacement: string, equivalent?: string];

/** @param tests names of test files, without folder and ending. */
export function mutationsOf(
  file: string,
  { tests, filter }: { tests: readonly string[]; filter?: string },
  changes: readonly Change[],
): Mutation[] {
  const named = tests.map(testFile);
  return changes.map(([find, replacement, equivalent]) => ({
    file,
    find,
    replacement,
    tests: named,
    filter,
    equivalent,
  }));
}

/** "kernels", or the folder below src. */
export function partOf({ file }: Mutation): string {
  return file.split("/").slice(0, file.startsWith("src/") ? 2 : 1).join("/");
}

/** One line: where it is, and what becomes what. */
export function mutationText({ file, find, replacement }: Mutation): string {
  const short = (text: string) => text.replace(/\s+/g, " ").trim();
  return `${file}: ${short(find)} -> ${short(replacement) || "(nothing)"}`;
}

/** How often a text stands in another. */
export function countOf(text: string, source: string): number {
  return source.split(text).length - 1;
}

/** @throws Error unless the text to be found stands in the source once, and something else takes its place. */
export function mutated(mutation: Mutation, source: string): string {
  const { find, replacement } = mutation;
  const count = countOf(find, source);
  if (count !== 1) throw new Error(`${mutationText(mutation)}: the text stands there ${count} times`);
  if (find === replacement) throw new Error(`${mutationText(mutation)}: nothing changes`);
  return source.replace(find, () => replacement);
}
