/**
 * Expands paths with *, ? or [...]. If a matching file cannot be opened, an error is thrown (the SQL engine
 * would skip the file). If a folder named a[1] exists, the path a[1] means this folder (the SQL engine would
 * look for a folder named a1).
 */

import { expectFile, explainFileError } from "../../files/local_file.ts";
import { isOwnName } from "../../files/owned_folder.ts";

const MAGIC = /[*?[]/;
/** Matches a path with .. after a wildcard, such as a?/../b (Windows would resolve this path to b). */
const CLIMBS = /[*?[].*[/\\]\.\.([/\\]|$)/;

/** Escapes a path, so that the SQL engine does not interpret the path as a glob. */
export function escapeGlob(path: string): string {
  return path.replace(/[*?[]/g, "[$&]");
}

/**
 * Returns the files that match a pattern, sorted by name. If a file with exactly this path exists, such as
 * a[1].csv, only this file is returned. ** matches any number of nested folders.
 * @throws UserError for a broken link among the matches, and for a folder that cannot be read.
 */
export function expandGlob(pattern: string): string[] {
  if (!CLIMBS.test(pattern) && isThere(pattern)) return [pattern];
  if (!MAGIC.test(pattern)) return [];
  const separator = Deno.build.os === "windows" ? /[/\\]+/ : /\/+/;
  const parts = pattern.split(separator);
  const found = new Set<string>();
  if (parts[0] === "") walk("/", parts.slice(1), found);
  else walk("", parts, found);
  return [...found].filter((path) => !isFolder(path)).sort();
}

/** Adds to `found` all matching paths in a folder. @param base: folder with a final "/", or "". */
function walk(base: string, [part, ...rest]: readonly string[], found: Set<string>): void {
  if (part === undefined) return;
  if (part === "**") {
    // ** also matches the folder itself.
    walk(base, rest.length > 0 ? rest : ["*"], found);
    for (const name of namesIn(base)) {
      if (isFolder(base + name) && !leadsBack(base, name)) walk(`${base}${name}/`, [part, ...rest], found);
    }
    return;
  }
  // The name of an existing folder is not a pattern.
  const plain = !MAGIC.test(part) || (rest.length > 0 && isThere(base + part));
  const names = plain ? [part] : namesIn(base).filter((name) => toPattern(part).test(name));
  for (const name of names) {
    const path = base + name;
    if (rest.length > 0) {
      if (isFolder(path)) walk(`${path}/`, rest, found);
    } else if (isThere(path)) found.add(path);
  }
}

function namesIn(base: string): string[] {
  const folder = base === "" ? "." : base;
  try {
    // Skip clickgan's locks and temporary files, as a data set may be written to a folder with sources.
    return Array.from(Deno.readDirSync(folder), ({ name }) => name).filter((name) => !isOwnName(name)).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return [];
    throw explainFileError(error, "read the folder", folder);
  }
}

/** Returns true if a file, a folder or a link (even a broken link) exists at a path. */
function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw explainFileError(error, "read", path);
  }
}

/** Returns true for a folder. @throws UserError for a link to a file or folder that does not exist. */
function isFolder(path: string): boolean {
  if (!isThere(path)) return false;
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    expectFile(path);
    throw explainFileError(error, "read", path); // expectFile could open the path
  }
}

/** Returns true for a link to a folder that contains the link. ** would follow this link endlessly. */
function leadsBack(base: string, name: string): boolean {
  if (!Deno.lstatSync(base + name).isSymlink) return false;
  const here = Deno.realPathSync(base === "" ? "." : base);
  const there = Deno.realPathSync(base + name);
  return here === there || here.startsWith(there.endsWith("/") ? there : `${there}/`);
}

function toPattern(part: string): RegExp {
  const text = part.replace(
    /\[(!|\^)?(\]?[^\]]*)\]|[\\^$.*+?()[\]{}|]/g,
    (piece, not: string | undefined, set) => {
      if (piece === "*") return ".*";
      if (piece === "?") return ".";
      if (set === undefined) return `\\${piece}`;
      return `[${not ? "^" : ""}${String(set).replace(/[\\\][^]/g, "\\$&")}]`;
    },
  );
  return new RegExp(`^${text}$`, "su");
}
