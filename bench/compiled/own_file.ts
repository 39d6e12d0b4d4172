/** A text of the reader's own, whatever it is, compiled for GPUs. */

import { UserError } from "../../src/user_error.ts";
import { explainFileError } from "../../src/run/files/file_error.ts";
import { type Gathered, watching } from "./gather.ts";

/** `NAME=value` of the command line. */
export type OwnConstants = ReadonlyMap<string, string>;

/** @throws UserError for a file that cannot be read, for a constant that it does not have, and for what does not compile. */
export async function gatherFile(file: string, constants: OwnConstants): Promise<Gathered> {
  const text = await Deno.readTextFile(file).catch((error) => {
    throw explainFileError(error, "read", file);
  });
  const name = file.replace(/^.*[/\\]/, "").replace(/\.wgsl$/, "");
  const source = withConstants(file, text, constants);
  return await watching("gpu", async (watcher) => {
    watcher.where = file;
    try {
      await watcher.gpu.pipeline(name, source, "auto");
    } catch (error) {
      throw new UserError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
    }
    return { texts: [...watcher.texts.values()], steps: [] };
  });
}

/** Constants and overrides of a text are set in the text, as the kernels' are. */
function withConstants(file: string, text: string, constants: OwnConstants): string {
  const pattern = /^[ \t]*(?:const|override)\s+(\w+)(\s*:\s*\w+)?\s*(?:=\s*([^;]+))?;/gm;
  const known = [...text.matchAll(pattern)].map(([, name = ""]) => name);
  for (const name of constants.keys()) {
    if (known.includes(name)) continue;
    throw new UserError(
      `Expected --set to name a constant of ${file} (${known.join(", ") || "it has none"}), got "${name}".`,
    );
  }
  return text.replace(pattern, (line, name: string, type = "") => {
    const value = constants.get(name);
    return value === undefined ? line : `const ${name}${type} = ${value};`;
  });
}
