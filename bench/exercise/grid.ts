/**
 * What a file of an exercise says of its grid: "// grid: N4, M / 4". Sums, products and divisions, that round up, of
 * numbers and the exercise's letters; a product needs no sign.
 */

import { UserError } from "../../src/user_error.ts";
import type { Letters } from "./exercise.ts";

/** @param line where the text stands. @throws UserError for what is no expression, or holds another letter. */
export function evaluate(text: string, letters: Letters, line = "grid"): number {
  const known = Object.keys(letters).join(", ");
  const fault = (found: string) =>
    new UserError(
      `line "${line}": expected numbers and the letters ${known} joined by + * / ( ), such as "${
        Object.keys(letters)[0]
      } / 4", got "${text.trim()}": ${found}.`,
    );
  const tokens = text.match(/\d+|[A-Za-z]\w*|\S/g) ?? [];
  let next = 0;
  const sum = (): number => {
    let value = product();
    while (tokens[next] === "+") {
      next++;
      value += product();
    }
    return value;
  };
  const product = (): number => {
    let value = atom();
    for (;;) {
      const sign = tokens[next];
      if (sign === undefined || sign === "+" || sign === ")") return value;
      if (sign === "*" || sign === "/") next++;
      value = sign === "/" ? Math.ceil(value / atom()) : value * atom();
    }
  };
  const atom = (): number => {
    const token = tokens[next++];
    if (token === undefined) throw fault("it ends too early");
    if (token === "-") throw fault("there is no minus");
    if (/^\d/.test(token)) return Number(token);
    if (token === "(") {
      const value = sum();
      if (tokens[next++] !== ")") throw fault('a ")" is missing');
      return value;
    }
    const value = Object.hasOwn(letters, token) ? letters[token] : undefined;
    if (value === undefined) throw fault(`"${token}" is none of them`);
    return value;
  };
  const value = sum();
  if (next < tokens.length) throw fault(`"${tokens[next]}" is too much`);
  if (!(value >= 1 && Number.isFinite(value))) throw fault(`it is ${value}`);
  return value;
}
