/**
 * What an invocation makes of its own number: the whole numbers that a kernel computes before it reads anything, such as
 * `let row = id.x / N4;`. They are found by reading the kernel's text as the driver gets it, so they say which elements an
 * invocation owns without anybody having written it down twice. What depends on data, or on a loop, stays unknown.
 */

import { parseExpression, parseModule } from "./parse.ts";
import type { IndexScope, Invocation, WgslValue } from "./values.ts";
import { Interpreter, type TracedLine, type WgslModule } from "./walk.ts";
import { tryRead } from "./tokens.ts";

export interface IndexValues {
  readonly lines: readonly TracedLine[];
  /** It ends before it does anything, as the grid is larger than what there is to do. */
  readonly idle: boolean;
  /** A subscript in the kernel's body; undefined where it depends on more than lines that are known. */
  getValue(subscript: string): number | undefined;
}

const nothing: IndexValues = { lines: [], idle: false, getValue: () => undefined };

/** @param text WGSL with one entry point. @returns what an invocation of it computes; of what is not understood, nothing. */
export function traceIndexValues(text: string, scope: IndexScope): (invocation: Invocation) => IndexValues {
  const module = tryRead(() => parseModule(text));
  const repeated = findRepeatedNames(text);
  return (invocation) =>
    (module && tryRead(() => runInvocation(module, scope, invocation, repeated))) ?? nothing;
}

/** Names that stand for more than one value, or may. */
function findRepeatedNames(text: string): string[] {
  const body = text.replace(/\/\/.*/g, "").replace(/[^]*?@compute/, "");
  const declared = [...body.matchAll(/\b(let|var|const)\s+(\w+)/g)];
  const names = declared.map(([, , name = ""]) => name);
  return names.filter((name, k) => declared[k]?.[1] === "var" || names.indexOf(name) !== k);
}

function runInvocation(
  module: WgslModule,
  scope: IndexScope,
  invocation: Invocation,
  repeated: readonly string[],
): IndexValues {
  const walk = new Interpreter(module, scope, [invocation], { skipsLoops: true });
  walk.run();
  const { lines, idle, builtins } = walk;
  const names = new Map<string, WgslValue>([
    ...builtins,
    ...lines.map(({ name, value }) => [name, value] as const),
  ]);
  for (const name of repeated) names.delete(name);
  return {
    lines,
    idle,
    getValue(subscript) {
      const value = tryRead(() => walk.evaluate(parseExpression(subscript), names));
      return typeof value === "number" ? value : undefined;
    },
  };
}
