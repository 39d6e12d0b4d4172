/**
 * A rule for `deno lint`: functions of src have at most 60 lines, so that each has one idea and a name for it.
 *
 * `deno task check:lint` runs V8 without threads of its own (DENO_V8_FLAGS). With them Deno 2.9.6, which hands the syntax tree to
 * a rule of JavaScript, ended with a segmentation fault of a V8 worker in two of 120 runs on busy cores; without, in none of 120.
 */

import { fileURLToPath } from "node:url";

const MOST_LINES = 60;
const SRC = fileURLToPath(new URL("../../src/", import.meta.url));

type FunctionNode =
  | Deno.lint.FunctionDeclaration
  | Deno.lint.FunctionExpression
  | Deno.lint.ArrowFunctionExpression;

const plugin: Deno.lint.Plugin = {
  name: "clickgan",
  rules: {
    "short-functions": {
      create(context) {
        if (!context.filename.startsWith(SRC)) return {};
        const check = (node: FunctionNode) => {
          const lines = context.sourceCode.getText(node).split("\n").length;
          if (lines <= MOST_LINES) return;
          context.report({
            node,
            message: `Expected a function of at most ${MOST_LINES} lines, got one of ${lines}.`,
            hint: "Give its parts functions of their own, named by what they are about.",
          });
        };
        return { FunctionDeclaration: check, FunctionExpression: check, ArrowFunctionExpression: check };
      },
    },
  },
};

export default plugin;
