/**
 * Mutations: small faults put into the program, which a test of the part itself has to notice. They are those that a hand
 * makes, each as an operator: a pure function from a source to the places that it can change. Left out is what nothing could
 * notice: comments, strings, imports, types, checks that throw, what a driver alone reads, and the defaults of a kernel's
 * constants.
 */

import { randomStream } from "../../src/data/random.ts";
import { kernelFiles } from "../kernel_files.ts";

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

/** The files whose mutations are drawn. */
export function drawnFiles(): string[] {
  return [
    ...kernelFiles("shipped").map((name) => `kernels/${name}`),
    ...DRAWN.flatMap((part) =>
      [...Deno.readDirSync(`src/${part}`)].map(({ name }) => `src/${part}/${name}`)
        .filter((path) => path.endsWith(".ts")).sort()
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

/** What takes the place of some characters of a source. */
export interface Change {
  readonly at: number;
  readonly length: number;
  readonly replacement: string;
}

export type Operator = (source: string) => Change[];

/** A pattern, and what takes the place of each match. */
type Rewrite = readonly [pattern: RegExp, replacement: string | ((...groups: string[]) => string)];

/** Takes the first rewrite that matches at a place. */
function rewrites(...all: readonly Rewrite[]): Operator {
  return (source) => {
    const code = codeOf(source);
    const changes = new Map<number, Change>();
    for (const [pattern, replacement] of all) {
      for (const { index: at, 0: found, ...groups } of code.matchAll(pattern)) {
        // What stands in strings is blank in the code, and stays as it is.
        if (changes.has(at) || source.slice(at, at + found.length) !== found) continue;
        const text = typeof replacement === "string"
          ? replacement
          : replacement(found, ...Object.values(groups).map(String));
        changes.set(at, { at, length: found.length, replacement: text });
      }
    }
    return [...changes.values()].sort((a, b) => a.at - b.at);
  };
}

/** Each becomes the other. */
const swapped = (one: string, other: string): Rewrite[] => {
  const literally = (text: string) => new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "g");
  return [[literally(one), other], [literally(other), one]];
};

/** By name. As the formatter has it, spaces stand around an operator with two sides, and around no bracket of a type. */
export const operators: Readonly<Record<string, Operator>> = {
  "sign": rewrites(
    ...swapped(" + ", " - "),
    ...swapped(" += ", " -= "),
    [/(?<=[(,=] ?)-(?=[\w(])/g, ""],
  ),
  "product": rewrites(...swapped(" * ", " / ")),
  "comparison": rewrites(
    ...swapped(" == ", " != "),
    ...swapped(" === ", " !== "),
    [/ (<|>)=? (?=-?0\b)/g, (found) => found.includes("<") ? " >= " : " <= "],
  ),
  // Of a turn that is written out, `if (K4 > first + 5u) {`, it would only load what nobody takes.
  "bound": rewrites(...swapped(" < ", " <= "), [/ > (?!(?:\w+ \+ )?\d+u\) \{)/g, " >= "], [/ >= /g, " > "]),
  "constant": rewrites(
    [/(?<![\w.])(\d+)\.(\d+)(?![\w.])/g, (found) => Number(found) === 0 ? "1.0" : `(2.0 * ${found})`],
    [/(?<![\w.])(\d+)(u?)(?![\w.]|u?>)/g, (_, digits = "", unit) => `${Number(digits) + 1}${unit}`],
  ),
  "component": rewrites(
    ...["xy", "yx", "zw", "wz"].map(([of, becomes]): Rewrite => [
      new RegExp(`(?<=[\\w)\\]]\\.)${of}(?!\\w)`, "g"),
      becomes!,
    ]),
  ),
  "logic": rewrites(...swapped(" && ", " || ")),
  "negation": rewrites([/(?<=[(\s])!(?=[\w(])/g, ""]),
  "truth": rewrites([/\btrue\b/g, "false"], [/\bfalse\b/g, "true"]),
  "extreme": rewrites([/\bmin\(/g, "max("], [/\bmax\(/g, "min("]),
  "barrier": rewrites([/(?:workgroup|storage)Barrier\(\);/g, ""]),
  "leaving": rewrites([/^ *(?:else )?if \(.*\) (?:\{ )?(?:return\b[^;]*|continue|break);(?: \})?$/gm, ""]),
  "statement": rewrites([/^ +[\w.#]+(?:\[.*?\])?[\w.!]* [-+*|&]?= [^{};\n]*;$/gm, ""]),
};

/** The source with blanks where nothing is to be changed; all else stays at its place. */
function codeOf(source: string): string {
  return source.replace(LEFT_OUT, (found) => found.replace(/[^\n]/g, " "));
}

const LEFT_OUT = new RegExp(
  [
    /\/\/.*/,
    /\/\*[^]*?\*\//,
    /"(?:\\.|[^"\\\n])*"/,
    /'(?:\\.|[^'\\\n])*'/,
    /`(?:\\.|\$\{(?:[^{}`]|`[^`]*`|\{[^{}]*\})*\}|[^`\\])*`/,
    // A regular expression.
    /(?<=[(=,:!&|?] ?)\/(?![/*])(?:\\.|[^/\\\n])+\/[a-z]*/,
    /^import [^]*?;$/,
    /^export (?:\*|\{)[^]*?;$/,
    /^(?:export )?type [^]*?;$/,
    /^(?:export )?interface [^]*?^\}$/,
    // Bad inputs have a corpus of their own; what no caller does is for nobody.
    /^.*\b(?:throw|console|expectShape)\b.*$/,
    /^ *if \(.*\{\n +throw [^]*?;\n +\}$/,
    // WGSL: numbers of bindings, the second axis of a grid that is folded, and what a dispatch puts in the place of a default.
    /@\w+\([^)]*\)/,
    / \+ \w+\.y \* (?:\(grid\.x \* WORKGROUP\)|grid\.x)/,
    /^const [A-Z]\w* = [-\w.]+;/,
  ].map(({ source }) => source).join("|"),
  "gm",
);
