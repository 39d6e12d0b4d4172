/** Which file of a package a name with a path in it means: https://nodejs.org/api/packages.html#exports */

import { join } from "node:path";

/** Conditions that hold in a browser that imports modules. */
const CONDITIONS: readonly string[] = ["browser", "import", "module", "default"];

/**
 * @param folder of the package. @param path as it is exported, e.g. "./distribution/uniformInt".
 * @returns the file's path in the folder; `path` itself in a package that says nothing of its exports.
 * @throws Error for a path that the package does not export.
 */
export async function exportOf(folder: string, path: string): Promise<string> {
  const { exports }: { exports?: unknown } = JSON.parse(
    await Deno.readTextFile(join(folder, "package.json")),
  );
  if (exports === undefined) return path;
  const file = fileOf(entriesOf(exports), path);
  if (file === undefined) throw new Error(`${folder} does not export ${path} to browsers`);
  return file;
}

function entriesOf(exports: unknown): [name: string, target: unknown][] {
  return typeof exports === "object" && exports !== null ? Object.entries(exports) : [[".", exports]];
}

function fileOf(entries: readonly [string, unknown][], path: string): string | undefined {
  const exact = entries.find(([name]) => name === path);
  if (exact) return targetOf(exact[1]);
  // "./src/*.js": the longest beginning counts.
  for (const [name, target] of entries.toSorted(([a], [b]) => b.indexOf("*") - a.indexOf("*"))) {
    const [before, after] = name.split("*");
    if (before === undefined || after === undefined) continue;
    if (path.length < name.length || !path.startsWith(before) || !path.endsWith(after)) continue;
    return targetOf(target)?.replaceAll("*", path.slice(before.length, path.length - after.length));
  }
}

/** The first condition that holds. */
function targetOf(target: unknown): string | undefined {
  if (typeof target === "string") return target;
  if (typeof target !== "object" || target === null) return undefined;
  for (const [condition, inner] of Object.entries(target)) {
    const file = CONDITIONS.includes(condition) ? targetOf(inner) : undefined;
    if (file !== undefined) return file;
  }
}
