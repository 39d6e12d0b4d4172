/**
 * Limits a command's writes to its outputs. Deno's permissions are fixed before the arguments are parsed, and
 * therefore allow writes anywhere. This module checks every later write against the outputs that the
 * arguments name. Writes of native code, such as the SQL engine, are not checked.
 */

import { basename, dirname, extname, isAbsolute, join, relative, resolve, sep } from "node:path";

let outputs: string[] | undefined;

/** Limits writes to `paths` and the paths of earlier calls. If `paths` is undefined, allows any write. */
export function confineWrites(paths: readonly string[] | undefined): void {
  if (paths === undefined) outputs = undefined;
  else outputs ??= [];
  paths?.forEach(allowWrites);
}

/** Allows writes to an additional file or folder. */
export function allowWrites(path: string): void {
  outputs?.push(resolve(path));
  try {
    outputs?.push(Deno.realPathSync(path)); // if the path is a link, the link's target is written
  } catch {
    // No file exists at the path yet.
  }
}

/**
 * Returns `path` if this command may write, rename or remove it. That is an output such as "page.html", a
 * file in an output folder, or a file next to an output whose name begins like "page" or ".page".
 * @throws Error for any other path, because writing to it would be a bug.
 */
export function requireWritable(path: string): string {
  if (outputs === undefined) return path;
  const place = resolve(path);
  if (outputs.some((output) => isWithin(place, output) || isBeside(place, output))) return path;
  throw new Error(`expected writes only to ${outputs.join(", ")}, was about to write to ${place}`);
}

/** Returns `path` if this command may create this folder: a writable path, or a parent of an output. */
export function requireMakeable(path: string): string {
  const place = resolve(path);
  return outputs?.some((output) => isWithin(output, place)) ? path : requireWritable(path);
}

/** Paths of the files and folders that this process has locked, with links resolved. */
const locked = new Set<string>();

/** Records that this process has locked a file or folder, until the returned object is disposed of. */
export function holdPlace(path: string): Disposable {
  const { place } = resolvePath(path);
  locked.add(place);
  return { [Symbol.dispose]: () => void locked.delete(place) };
}

/** Returns true if this process has locked the file, or a folder that contains the file. */
export function isHeld(path: string): boolean {
  const { place } = resolvePath(path);
  return [...locked].some((held) => isWithin(place, held));
}

/** Resolves the links in the path of a file that may be missing. `above`: nearest existing parent folder. */
export function resolvePath(path: string): { place: string; above: string } {
  let [place, above] = ["", ""];
  let isReal = true;
  for (const part of resolve(path).split(sep)) {
    if (isReal) above = place;
    place = place === "" ? part + sep : join(place, part);
    const real: string | undefined = isReal ? tryRealPath(place) : undefined;
    isReal = real !== undefined;
    place = real ?? place;
  }
  return { place, above };
}

/** Resolves the links in a path; undefined if the path does not exist or cannot be read. */
export function tryRealPath(path: string): string | undefined {
  try {
    return Deno.realPathSync(path);
  } catch {
    return undefined;
  }
}

export function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

function isBeside(path: string, output: string): boolean {
  const stem = basename(output, extname(output));
  return dirname(path) === dirname(output) && basename(path).replace(/^\./, "").startsWith(stem);
}
