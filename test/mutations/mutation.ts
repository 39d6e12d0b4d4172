/** Mutations: small faults put into the program, which a test of the part itself has to notice. */

import { randomStream } from "../../src/data/random.ts";
import { kernelFiles } from "../kernel_files.ts";
import { type Change, operators } from "./operators.ts";

export interface Mutation extends Change {
  /** From the project's folder. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** The line as it stands, and with the change, without its blanks at both ends. */
  readonly before: string;
  readonly after: string;
}

/** Parts of src whose mutations are drawn, beside the kernels of the program. */
const DRAWN = ["ops", "tape", "batch", "model", "train"];

/** The files whose mutations are drawn. @param root of the project */
export function drawnFiles(root = "."): string[] {
  return [
    ...kernelFiles("shipped").map((name) => `kernels/${name}`),
    ...DRAWN.flatMap((part) =>
      [...Deno.readDirSync(`${root}/src/${part}`)].map(({ name }) => name).filter((name) =>
        name.endsWith(".ts")
      )
        .sort().map((name) => `src/${part}/${name}`)
    ),
  ];
}

/**
 * Draws mutations of some files: each place that an operator can change is as likely as another. The same seed, files and
 * sources give the same ones, and fewer are the first of more.
 */
export function drawn(seed: number, count: number, files: readonly string[]): Mutation[] {
  const all = files.flatMap((file) => {
    const source = Deno.readTextFileSync(file);
    return Object.values(operators).flatMap((operator) =>
      operator(source).map((change) => () => mutationOf(file, source, change))
    );
  });
  const places = randomStream(seed, "mutations").sampleWithoutReplacement(
    all.length,
    Math.min(count, all.length),
  );
  return [...places].map((place) => all[place]!());
}

export function mutationOf(file: string, source: string, change: Change): Mutation {
  const start = source.lastIndexOf("\n", change.at - 1) + 1;
  const lines = (text: string, length: number) => {
    const end = text.indexOf("\n", change.at + length);
    return text.slice(start, end < 0 ? undefined : end).replace(/\s+/g, " ").trim();
  };
  return {
    ...change,
    file,
    line: source.slice(0, change.at).split("\n").length,
    before: lines(source, change.length),
    after: lines(mutated(change, source), change.replacement.length),
  };
}

export function mutated({ at, length, replacement }: Change, source: string): string {
  return source.slice(0, at) + replacement + source.slice(at + length);
}

/** One line: where it is, and what becomes what. */
export function mutationText({ file, line, before, after }: Mutation): string {
  return `${file}:${line}: ${before}  ->  ${after || "(nothing)"}`;
}
