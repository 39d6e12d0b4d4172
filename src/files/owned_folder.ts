/**
 * An owned folder is written by one process only. A command that writes a run, several runs or a data set
 * locks the output folder until the command ends, and writes all files of the folder atomically.
 *
 * Output that cannot be resumed, such as a data set, is marked by the sign file `.clickgan-partial` until the
 * output is complete. A command that fails removes its incomplete output. If a command is killed, the next
 * command in the folder removes the incomplete output.
 */

import { basename, dirname, join, relative } from "node:path";
import { quotePath } from "../shell_word.ts";
import { UserError } from "../user_error.ts";
import { isTemporaryName, makeFolder, removeTemporaries, writeFileAtomically } from "./atomic_write.ts";
import { explainFileError, readTextSync } from "./local_file.ts";
import { Lock } from "./lock.ts";
import { requireWritable } from "./write_scope.ts";

const LOCK = ".clickgan.lock";
/** Name of the sign file, which marks incomplete output: clickgan writes it first, and removes it last. */
export const SIGN = ".clickgan-partial";
const SIGN_TEXT = "This output is incomplete. The next command in this folder removes the output.\n";

/** Returns the path of a lock file that is next to the locked file or folder. */
export function lockBeside(path: string): string {
  return join(dirname(path), `.${basename(path)}${LOCK}`);
}

/** Returns true for names of clickgan's locks and temporary files, which are no output. */
export function isOwnName(name: string): boolean {
  return (name.startsWith(".") && name.endsWith(LOCK)) || isTemporaryName(name);
}

/** Purpose of an output folder. Messages contain `what` ("the run") and `option` ("--save-dir"). */
export interface FolderPurpose {
  readonly what: string;
  readonly option: string;
  /** Names of all output files; undefined if the output can be resumed, so is never marked as incomplete. */
  readonly own?: readonly string[];
  /** Pattern of the names of working files, which are removed when the output is complete. */
  readonly work?: RegExp;
  /** The option --resume can continue the output if the folder has a file with one of these names. */
  readonly resumed?: readonly string[];
}

export class OwnedFolder implements Disposable {
  private constructor(
    readonly path: string,
    private readonly lock: Lock,
    /** True if this process created the folder. Such a folder is removed at the end if it is empty. */
    private readonly made: boolean,
  ) {}

  /** Purpose of the folder while it has incomplete output that cannot be resumed; undefined otherwise. */
  #unfinished: FolderPurpose | undefined;

  /**
   * Locks a new or empty folder. @param together - all folders of an output that has several. The sign file
   * in the first folder lists all folders, and while this file exists, all folders count as incomplete.
   * @throws UserError if the folder is not empty, is owned by another process, or is not writable.
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
      expectEmpty(path, purpose, together); // again, because another process may have written before the lock
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

  /** Opens an existing folder. @throws UserError if the folder is missing, or owned by another process. */
  static open(path: string): OwnedFolder {
    if (listContents(path) === undefined) {
      throw new UserError(`Expected a folder at ${path}, found none. Check the path.`);
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

  finish(): void {
    OwnedFolder.finishAll([this]);
  }

  /** Marks all folders of an output as complete. @param folders - in the order in which they were locked */
  static finishAll(folders: readonly OwnedFolder[]): void {
    for (const folder of folders.toReversed()) {
      removeFiles(folder.path, (name) => folder.#unfinished?.work?.test(name) === true);
      removeFiles(folder.path, (name) => name === SIGN);
    }
    for (const folder of folders) folder.#unfinished = undefined;
  }

  /** Releases the folder, and removes incomplete output that cannot be resumed. */
  [Symbol.dispose](): void {
    try {
      const unfinished = this.#unfinished;
      if (unfinished) removeFiles(this.path, (name) => isPurposeName(unfinished, name));
      if (unfinished) this.finish();
    } catch {
      // The next command in the folder removes the output.
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

function isPurposeName({ own = [], work }: FolderPurpose, name: string): boolean {
  return own.includes(name) || work?.test(name) === true;
}

/**
 * Checks that a folder is missing or empty, or contains nothing but incomplete output of a killed command.
 * @param together - see {@link OwnedFolder.begin}. @throws UserError for any other folder, and for a file.
 */
export function expectEmpty(path: string, purpose: FolderPurpose, together: readonly string[] = []): void {
  const names = listContents(path) ?? [];
  const isUnfinished = purpose.own !== undefined && (names.includes(SIGN) || isNamed(path, together[0]));
  const first = names.find((name) => !isUnfinished || !(name === SIGN || isPurposeName(purpose, name)));
  if (first === undefined) return;
  const { what, option, resumed = [] } = purpose;
  const isResumable = resumed.some((name) => names.includes(name));
  throw new UserError(
    `Expected a new or empty folder for ${what}, but ${path} holds ${isResumable ? what : first}. ` +
      `${isResumable ? `Continue it with --resume ${quotePath(path)}, or choose` : "Choose"} ` +
      `another ${option}; nothing was changed.`,
  );
}

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
 * Returns the sorted names of the files in a folder, without clickgan's locks and temporary files; undefined
 * if the folder is missing. @throws UserError if the path is no folder, or if the folder cannot be read.
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
