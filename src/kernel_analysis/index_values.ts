/**
 * Computes the index values of an invocation: integers that the kernel computes from the invocation's number
 * before reading memory, such as `let row = id.x / N4;`. These values determine which elements the invocation
 * reads and writes. Values that depend on data or on a loop are unknown.
 */

import { parseExpression, parseModule } from "./parse.ts";
import type { IndexScope, Invocation, WgslValue } from "./values.ts";
import { Interpreter, type TracedLine, type WgslModule } from "./interpreter.ts";
import { tryRead } from "./tokens.ts";

export interface IndexValues {
  readonly lines: readonly TracedLine[];
  /** True if the invocation returns at once, because the grid is larger than the work. */
  readonly idle: boolean;
  /** Returns the value of the kernel's expression `subscript`; undefined if a part of it is unknown. */
  getValue(subscript: string): number | undefined;
}

const nothing: IndexValues = { lines: [], idle: false, getValue: () => undefined };

/** Returns a function that computes an invocation's index values (all unknown if parsing fails). */
export function traceIndexValues(text: string, scope: IndexScope): (invocation: Invocation) => IndexValues {
  const module = tryRead(() => parseModule(text));
  const repeated = findRepeatedNames(text);
  return (invocation) =>
    (module && tryRead(() => runInvocation(module, scope, invocation, repeated))) ?? nothing;
}

/** Returns the names that may have several values: variables, and names that are declared more than once. */
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
