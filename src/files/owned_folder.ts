/**
 * An owned folder, to which only one process writes. A command that writes a run, several runs or a data set locks the output
 * folder until the command ends.
 *
 * In an owned folder, all files are written atomically, and only the lock's file and temporary files of killed processes are
 * removed. An exception is output that cannot be resumed, such as a data set: until the output is complete, the folder has a sign
 * file. A command that fails removes its incomplete output. The output of a killed command is removed by the next command in the
 * folder.
 */

import { basename, dirname, join, relative } from "node:path";
import { UserError } from "../user_error.ts";
import { isTemporaryName, makeFolder, removeTemporaries, writeFileAtomically } from "./atomic_write.ts";
import { explainFileError, readTextSync } from "./local_file.ts";
import { Lock } from "./lock.ts";
import { requireWritable } from "./write_scope.ts";

const LOCK = ".clickgan.lock";
/** Name of the sign file, which marks incomplete output: it is the first file to be written, and is removed at the end. */
export const SIGN = ".clickgan-partial";
const SIGN_TEXT = "A command is making this, or did not finish: the next one removes it.\n";

/** Returns the path of the lock for a file, or for a folder that does not exist yet. The lock is in the folder above. */
export function lockBeside(path: string): string {
  return join(dirname(path), `.${basename(path)}${LOCK}`);
}

/** Returns true for the name of one of clickgan's locks or temporary files, which are not the user's data. */
export function isOwnName(name: string): boolean {
  return (name.startsWith(".") && name.endsWith(LOCK)) || isTemporaryName(name);
}

/** Purpose of an output folder, and the option that names the folder, for messages (such as "the run" and "--save-dir"). */
export interface FolderPurpose {
  readonly what: string;
  readonly option: string;
  /** Names of all output files. Present only for output that cannot be resumed, which has a {@link SIGN} until it is complete. */
  readonly own?: readonly string[];
  /** Names of working files, which are removed when the output is complete. */
  readonly work?: RegExp;
}

export class OwnedFolder implements Disposable {
  private constructor(
    readonly path: string,
    private readonly lock: Lock,
    /** True if this process created the folder. At the end, the process removes an empty folder that it created. */
    private readonly made: boolean,
  ) {}

  /** Purpose of the folder while its output is incomplete and cannot be resumed; else undefined. */
  #unfinished: FolderPurpose | undefined;

  /**
   * Creates a new folder, or takes an empty folder.
   * @param together all folders of an output with several folders, in order. The sign of the first folder names all folders, and
   * is removed last. As long as the first sign exists, no folder is complete, and the same command may begin again.
   * @throws UserError if the folder is not empty, is owned by another process, or cannot be written to.
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
      expectEmpty(path, purpose, together); // checked again: another process may have written output before the lock was taken
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

  /** Takes an existing folder. @throws UserError if the folder does not exist, or is owned by another process. */
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

  /** Marks all folders of an output as complete. @param folders in the order in which the folders were begun. */
  static finishAll(folders: readonly OwnedFolder[]): void {
    for (const folder of folders.toReversed()) {
      removeFiles(folder.path, (name) => folder.#unfinished?.work?.test(name) === true);
      removeFiles(folder.path, (name) => name === SIGN);
    }
    for (const folder of folders) folder.#unfinished = undefined;
  }

  /** Releases the folder. Incomplete output that cannot be resumed is removed. */
  [Symbol.dispose](): void {
    try {
      const unfinished = this.#unfinished;
      if (unfinished) removeFiles(this.path, (name) => isPurposeName(unfinished, name));
      if (unfinished) this.finish();
    } catch {
      // The next command that begins in the folder removes the output.
    }
    this.lock[Symbol.dispose]();
    if (!this.made) return;
    try {
      removeTemporaries(this.path);
      Deno.removeSync(this.path); // throws an error if the folder is not empty
    } catch {
      // The folder is not empty: it has output.
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

/** Returns true for the name of an output file or a working file. */
function isPurposeName({ own = [], work }: FolderPurpose, name: string): boolean {
  return own.includes(name) || work?.test(name) === true;
}

/**
 * Checks that a command may begin output in a folder: the folder is empty, or only has incomplete output of a killed command.
 * @param together as of {@link OwnedFolder.begin}. @throws UserError for a folder with any other file, and for the path of a file.
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

/** Returns true if the sign in the folder `first` names the folder `path`. */
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
 * Returns the names of the files in a folder, sorted, without clickgan's locks and temporary files. Undefined for a missing
 * folder.
 * @throws UserError for a path that does not lead to a folder, or a folder that cannot be read.
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
