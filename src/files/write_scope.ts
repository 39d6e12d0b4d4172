/**
 * Confines a command to its own outputs. Deno's permissions let it write anywhere, as its arguments are not known when it
 * starts; once they are parsed, every write of this program is checked against the outputs that they name. (Native code, such
 * as the data engine, is not confined.)
 */

import { basename, dirname, extname, isAbsolute, join, relative, resolve, sep } from "node:path";

let outputs: string[] | undefined;

/** Confines all writes of this process to these files and folders, and those of earlier calls; undefined lifts it. */
export function confineWrites(paths: readonly string[] | undefined): void {
  if (paths === undefined) outputs = undefined;
  else outputs ??= [];
  paths?.forEach(allowWrites);
}

/** Adds an output that follows from other arguments, such as a report in the folder of its run. */
export function allowWrites(path: string): void {
  outputs?.push(resolve(path));
  try {
    outputs?.push(Deno.realPathSync(path)); // what a link leads to is written in its place
  } catch {
    // Does not exist yet.
  }
}

/**
 * Returns the path if this command may write, rename or remove it: it is an output or within one, or lies beside an output
 * with a name made of the output's, such as a lock, a temporary file or "page-returns.csv" beside "page.html".
 * @throws Error otherwise, because that is a fault of the program
 */
export function requireWritable(path: string): string {
  if (outputs === undefined) return path;
  const place = resolve(path);
  if (outputs.some((output) => isWithin(place, output) || isBeside(place, output))) return path;
  throw new Error(`expected to write to ${outputs.join(", ")} alone, was about to write to ${place}`);
}

/** Returns the path of a folder that may be created: as for {@link requireWritable}, or an output lies within it. */
export function requireMakeable(path: string): string {
  const place = resolve(path);
  return outputs?.some((output) => isWithin(output, place)) ? path : requireWritable(path);
}

/** Paths that this process holds a lock on, without links. */
const locked = new Set<string>();

/** Counts a file or folder as this process's own until the result is disposed of. */
export function holdPlace(path: string): Disposable {
  const { place } = resolvePath(path);
  locked.add(place);
  return { [Symbol.dispose]: () => void locked.delete(place) };
}

/** True if this process holds the lock of a file, or of a folder that it lies in. */
export function isHeld(path: string): boolean {
  const { place } = resolvePath(path);
  return [...locked].some((held) => isWithin(place, held));
}

/** Resolves the links of a path that may not exist, and finds the nearest existing folder above it. */
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

/** Returns undefined for a path that does not exist or cannot be read. */
export function tryRealPath(path: string): string | undefined {
  try {
    return Deno.realPathSync(path);
  } catch {
    return undefined;
  }
}

/** True if a path is a folder or lies within it. Both are absolute. */
export function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

function isBeside(path: string, output: string): boolean {
  const stem = basename(output, extname(output));
  return dirname(path) === dirname(output) && basename(path).replace(/^\./, "").startsWith(stem);
}
