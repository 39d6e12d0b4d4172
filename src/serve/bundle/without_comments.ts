/** Kernels in a bundle without their comments, which no driver needs and which are a good third of their text. */

import type { Plugin } from "esbuild";

/** Loads every kernel that a script uses as its text {@link withoutComments}. */
export const kernelsWithoutComments: Plugin = {
  name: "kernels-without-comments",
  setup(build) {
    build.onLoad({ filter: /\.wgsl$/ }, async ({ path }) => ({
      contents: withoutComments(await Deno.readTextFile(path)),
      loader: "text",
    }));
  },
};

/** A kernel's text without comments and what they leave behind: lines that are empty, spaces at the end of lines. */
export function withoutComments(text: string): string {
  const lines = text.replace(/\/\*[^]*?\*\//g, "").split("\n").map((line) =>
    line.replace(/\s*(\/\/.*)?$/, "")
  );
  return lines.filter((line) => line !== "").join("\n") + "\n";
}
