/**
 * A folder that only this process writes to: its lock, the files that may be removed in it, and when it counts as new. The
 * commands that write a run, several runs or a data set own their folder as long as they work.
 *
 * In an owned folder only two things are ever removed: the lock's file, and temporary files whose writers were killed. All
 * other files are written under names of their own, and replaced as a whole. Output that is made in one go and cannot be
 * resumed has a sign in it until it is complete: on failure it is removed, and the next command that begins there removes
 * what a killed one wrote.
 */

import { basename, dirname, join, relative } from "node:path";
import { UserError } from "../user_error.ts";
import { isTemporaryName, makeFolder, removeTemporaries, writeFileAtomically } from "./atomic_write.ts";
import { explainFileError, readTextSync } from "./local_file.ts";
import { Lock } from "./lock.ts";
import { requireWritable } from "./write_scope.ts";

const LOCK = ".clickgan.lock";
/** Marks an incomplete folder: the first file there, and the last one to be removed. */
export const SIGN = ".clickgan-partial";
const SIGN_TEXT = "A command is making this, or did not finish: the next one removes it.\n";

/** Returns the path of the lock beside something that is not a folder yet. */
export function lockBeside(path: string): string {
  return join(dirname(path), `.${basename(path)}${LOCK}`);
}

/** Returns true for a name that this program gives a lock or a temporary file: it is not the user's data. */
export function isOwnName(name: string): boolean {
  return (name.startsWith(".") && name.endsWith(LOCK)) || isTemporaryName(name);
}

/** Purpose of a folder, and the option that names it, for messages: "the run", "--save-dir". */
export interface FolderPurpose {
  readonly what: string;
  readonly option: string;
  /** All files of output that is made in one go, with a {@link SIGN}. */
  readonly own?: readonly string[];
  /** Names of working files until then. */
  readonly work?: RegExp;
}

export class OwnedFolder implements Disposable {
  private constructor(
    readonly path: string,
    private readonly lock: Lock,
    /** True if the folder was created for this; it is removed again if nothing was written to it. */
    private readonly made: boolean,
  ) {}

  /** Purpose of output made in one go, while it is incomplete. */
  #unfinished: FolderPurpose | undefined;

  /**
   * Creates a new folder, or takes an empty one.
   * @param together the folders that are made in one go, in order, if there are several. The first one's sign names them all
   * and is removed last: as long as it exists, none of them is complete, and the same command may begin again.
   * @throws UserError if the folder is not empty, another process writes to it, or it cannot be written to.
   */
  static async begin(
    path: string,
    purpose: FolderPurpose,
    together: readonly string[] = [],
  ): Promise<OwnedFolder> {
    const made = listContents(path) === undefined;
    expectEmpty(path, purpose, together);
    await makeFolder(path);
    const owned = OwnedFolder.#own(path, made);
    try {
      expectEmpty(path, purpose, together); // another process may have begun, and ended, in between
      if (purpose.own) {
        owned.#unfinished = purpose;
        const named = path === together[0] ? together : [];
        await writeFileAtomically(
          join(path, SIGN),
          [SIGN_TEXT, ...named.map((other) => `${relative(path, other)}\n`)].join(""),
        );
        removeFiles(path, (name) => isPurposeName(purpose, name));
      }
      return owned;
    } catch (error) {
      owned[Symbol.dispose]();
      throw error;
    }
  }

  /** Takes an existing folder. @throws UserError if it does not exist, or another process writes to it. */
  static open(path: string): OwnedFolder {
    if (listContents(path) === undefined) {
      throw new UserError(`Expected a folder at ${path}, got nothing. Check the path.`);
    }
    return OwnedFolder.#own(path, false);
  }

  static #own(path: string, made: boolean): OwnedFolder {
    const lock = Lock.take(join(path, LOCK), path);
    try {
      removeTemporaries(path);
      return new OwnedFolder(path, lock, made);
    } catch (error) {
      lock[Symbol.dispose]();
      throw explainFileError(error, "write", path);
    }
  }

  /** Marks the output as complete. @throws UserError if the folder cannot be written to. */
  finish(): void {
    OwnedFolder.finishAll([this]);
  }

  /** Marks folders that are made together as complete, in the order in which they were begun. */
  static finishAll(folders: readonly OwnedFolder[]): void {
    for (const folder of folders.toReversed()) {
      removeFiles(folder.path, (name) => folder.#unfinished?.work?.test(name) === true);
      removeFiles(folder.path, (name) => name === SIGN);
    }
    for (const folder of folders) folder.#unfinished = undefined;
  }

  /** Releases the folder; incomplete output is removed. */
  [Symbol.dispose](): void {
    try {
      const unfinished = this.#unfinished;
      if (unfinished) removeFiles(this.path, (name) => isPurposeName(unfinished, name));
      if (unfinished) this.finish();
    } catch {
      // The next owner removes it.
    }
    this.lock[Symbol.dispose]();
    if (!this.made) return;
    try {
      removeTemporaries(this.path);
      Deno.removeSync(this.path); // does nothing to a folder that holds something
    } catch {
      // It contains output.
    }
  }
}

function removeFiles(folder: string, isMeant: (name: string) => boolean): void {
  for (const name of (listContents(folder) ?? []).filter(isMeant)) {
    try {
      Deno.removeSync(requireWritable(join(folder, name)));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw explainFileError(error, "write", folder);
    }
  }
}

/** Returns true for names of output that is made in one go, and of working files. */
function isPurposeName({ own = [], work }: FolderPurpose, name: string): boolean {
  return own.includes(name) || work?.test(name) === true;
}

/**
 * Checks that a folder could be begun; files that this program leaves when it is killed early are ignored.
 * @param together see {@link OwnedFolder.begin}. @throws UserError if it is not empty, or not a folder.
 */
export function expectEmpty(path: string, purpose: FolderPurpose, together: readonly string[] = []): void {
  const names = listContents(path) ?? [];
  const isUnfinished = purpose.own !== undefined && (names.includes(SIGN) || isNamed(path, together[0]));
  const first = names.find((name) => !isUnfinished || !(name === SIGN || isPurposeName(purpose, name)));
  if (first === undefined) return;
  const { what, option } = purpose;
  throw new UserError(
    `Expected a new or empty folder for ${what}, but ${path} holds ${first}. Choose another ${option}; nothing was changed.`,
  );
}

/** Returns true if the sign of the first of several folders names a folder. */
function isNamed(path: string, first: string | undefined): boolean {
  if (first === undefined) return false;
  try {
    return readTextSync(join(first, SIGN)).split("\n").includes(relative(first, path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw explainFileError(error, "read", join(first, SIGN));
  }
}

/**
 * Returns the names in a folder, sorted, without locks and temporary files of this program; undefined if it does not exist.
 * @throws UserError if it is not a folder, or cannot be read.
 */
export function listContents(path: string): string[] | undefined {
  try {
    const names = [...Deno.readDirSync(path)].map(({ name }) => name);
    return names.filter((name) => !isOwnName(name)).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw explainFileError(error, "read the folder", path);
  }
}
