/**
 * Limits the writes of a command to its outputs. Deno's permissions allow a command to write anywhere, because the arguments are
 * not known at its start. After the arguments are parsed, every write is checked against the outputs that they name. Writes of
 * native code, such as the SQL engine, are not checked.
 */

import { basename, dirname, extname, isAbsolute, join, relative, resolve, sep } from "node:path";

let outputs: string[] | undefined;

/** Limits all writes of this process to the files and folders of this and earlier calls. `paths` = undefined ends the limit. */
export function confineWrites(paths: readonly string[] | undefined): void {
  if (paths === undefined) outputs = undefined;
  else outputs ??= [];
  paths?.forEach(allowWrites);
}

/** Allows writes to one more file or folder, such as a report in the folder of its run. */
export function allowWrites(path: string): void {
  outputs?.push(resolve(path));
  try {
    outputs?.push(Deno.realPathSync(path)); // if the path is a link, the link's target is written
  } catch {
    // The path does not exist yet.
  }
}

/**
 * Returns `path` if this command may write, rename or remove the path. The path must be an output, be inside an output folder, or
 * be next to an output with a name that begins equally (a lock, a temporary file, "page-returns.csv" next to "page.html").
 * @throws Error for any other path, because a write to it would be a bug
 */
export function requireWritable(path: string): string {
  if (outputs === undefined) return path;
  const place = resolve(path);
  if (outputs.some((output) => isWithin(place, output) || isBeside(place, output))) return path;
  throw new Error(`expected to write to ${outputs.join(", ")} alone, was about to write to ${place}`);
}

/** Returns `path` if this command may create the folder: it is writable ({@link requireWritable}), or contains an output. */
export function requireMakeable(path: string): string {
  const place = resolve(path);
  return outputs?.some((output) => isWithin(output, place)) ? path : requireWritable(path);
}

/** Paths of all files and folders whose locks this process has. All links in the paths are resolved. */
const locked = new Set<string>();

/** Records that this process has the lock of a file or folder. Disposing the returned object ends the record. */
export function holdPlace(path: string): Disposable {
  const { place } = resolvePath(path);
  locked.add(place);
  return { [Symbol.dispose]: () => void locked.delete(place) };
}

/** Returns true if this process has the lock of a file, or of a folder that contains the file. */
export function isHeld(path: string): boolean {
  const { place } = resolvePath(path);
  return [...locked].some((held) => isWithin(place, held));
}

/** Resolves the links in a path, which need not exist. `above` is the nearest existing folder that contains the path. */
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

/** Resolves the links in a path. Returns undefined if the path does not exist, or cannot be read. */
export function tryRealPath(path: string): string | undefined {
  try {
    return Deno.realPathSync(path);
  } catch {
    return undefined;
  }
}

/** Returns true if `path` is `folder`, or is inside `folder`. Both paths must be absolute. */
export function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

function isBeside(path: string, output: string): boolean {
  const stem = basename(output, extname(output));
  return dirname(path) === dirname(output) && basename(path).replace(/^\./, "").startsWith(stem);
}
