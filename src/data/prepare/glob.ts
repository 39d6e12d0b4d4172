/**
 * Expands paths with *, ? or [...]. The engine's own globs skip files that cannot be opened, and treat the name of a folder
 * as a pattern. Here no file is skipped silently.
 */

import { expectFile, explainFileError } from "../../files/local_file.ts";
import { isOwnName } from "../../files/owned_folder.ts";

const MAGIC = /[*?[]/;
/** A pattern followed by ..: such a path is shortened before the search, and the pattern with it. */
const CLIMBS = /[*?[].*[/\\]\.\.([/\\]|$)/;

/** Escapes a path so that the engine takes it literally. */
export function escapeGlob(path: string): string {
  return path.replace(/[*?[]/g, "[$&]");
}

/**
 * Returns the matching files, sorted by name. A path that exists literally is not a pattern. ** matches any folders, or none.
 * @throws UserError for a match that cannot be opened, such as a broken link, and for a folder that cannot be read.
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

/** @param base "" or a path that ends with a slash. */
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
  // A folder that exists literally is not a pattern either.
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
    // The lock of the data set that is being written may lie among the sources.
    return Array.from(Deno.readDirSync(folder), ({ name }) => name).filter((name) => !isOwnName(name)).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return [];
    throw explainFileError(error, "read the folder", folder);
  }
}

/** Returns true if the path exists, including a broken link. */
function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw explainFileError(error, "read", path);
  }
}

/** @throws UserError for a broken link, because its files would be missing. */
function isFolder(path: string): boolean {
  if (!isThere(path)) return false;
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    expectFile(path);
    throw explainFileError(error, "read", path); // it can be opened by now
  }
}

/** Returns true if a link leads to a folder that contains it: ** would never end. */
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
