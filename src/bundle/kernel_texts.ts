/**
 * Kernels in a bundle, all together and compressed: as text they are half of a script. Which ones there are is known when the
 * script is bundled, so it is bundled twice.
 */

import { basename, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { deflateRawSync } from "node:zlib";
import type { Plugin } from "esbuild";
import { BETWEEN } from "./packed_texts.ts";

/** What unpacks them in the browser. */
export const UNPACK = fileURLToPath(new URL("./packed_texts.ts", import.meta.url));

/** How kernels stand in a bundle: as they are; packed; or packed without their comments, which no driver needs. */
export type KernelForm = "text" | "packed" | "packed, without comments";

const MODULE = "packed-kernels";

/**
 * Packs kernels that would be bundled as text.
 * @param files those that the script has, from `root`.
 */
export async function packedKernels(
  root: string,
  files: readonly string[],
  form: Exclude<KernelForm, "text">,
): Promise<Plugin> {
  // Alike ones beside each other, where they compress well.
  const sorted = files.toSorted((a, b) => basename(a) < basename(b) ? -1 : 1);
  const texts = await Promise.all(sorted.map((file) => Deno.readTextFile(resolve(root, file))));
  const packed = packTexts(form === "packed" ? texts : texts.map(withoutComments));
  return {
    name: MODULE,
    setup(build) {
      build.onResolve({ filter: new RegExp(`^${MODULE}$`) }, ({ path }) => ({ path, namespace: MODULE }));
      build.onLoad({ filter: /.*/, namespace: MODULE }, () => ({
        contents: `import { unpack } from ${
          JSON.stringify(UNPACK)
        };\nexport const texts = unpack("${packed}");\n`,
        resolveDir: root,
      }));
      build.onLoad({ filter: /\.wgsl$/ }, ({ path }) => {
        const place = sorted.indexOf(relative(root, path).replaceAll("\\", "/"));
        // One that no code of the script uses stays away.
        if (place < 0) return { contents: 'export default "";' };
        return { contents: `import { texts } from "${MODULE}";\nexport default texts[${place}];\n` };
      });
    },
  };
}

/** See {@link import("./packed_texts.ts").unpack}. */
export function packTexts(texts: readonly string[]): string {
  return deflateRawSync(texts.join(BETWEEN), { level: 9 }).toString("base64");
}

/** A kernel's text without comments and what they leave behind: lines that are empty, spaces at the end of lines. */
export function withoutComments(text: string): string {
  const lines = text.replace(/\/\*[^]*?\*\//g, "").split("\n").map((line) =>
    line.replace(/\s*(\/\/.*)?$/, "")
  );
  return lines.filter((line) => line !== "").join("\n") + "\n";
}
