/**
 * Locks that the operating system holds for a process (flock), so that a crash frees them. A lock is a file of its own, which
 * names its holder.
 */

import { UserError } from "../user_error.ts";
import { explainFileError } from "./local_file.ts";
import { holdPlace, requireWritable } from "./write_scope.ts";

/** Interval at which a waiting process tries again. */
const LOOK_MS = 100;

/** A holder may remove its file between any two tries. */
const MOST_TRIES = 100;

/** Error codes of file systems without locks. */
const WITHOUT_LOCKS = ["ENOTSUP", "EOPNOTSUPP", "ENOLCK", "ENOSYS"];

/** Returns true if the lock was free and is now held; always true on a file system without locks. */
export function tryLock(file: Deno.FsFile): boolean {
  try {
    return file.tryLockSync(true);
  } catch (error) {
    if (error instanceof Error && "code" in error && WITHOUT_LOCKS.includes(String(error.code))) return true;
    throw error;
  }
}

/** Returns true if an open file is still at `path`: another process may have removed or replaced it. */
export function isAtPath(file: Deno.FsFile, path: string): boolean {
  const own = file.statSync();
  try {
    const found = Deno.lstatSync(path);
    return found.ino === own.ino && found.dev === own.dev;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Opens a file that only this process writes to, with its contents.
 * @param purpose of the file, for the message: "a lock"
 * @returns undefined while another process holds it.
 * @throws UserError if something else has its name; errors of the file system unchanged.
 */
export function openLocked(path: string, purpose: string): Deno.FsFile | undefined {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    expectPlainFile(path, purpose);
    const file = Deno.openSync(requireWritable(path), { read: true, write: true, create: true });
    let kept = false;
    try {
      if (!tryLock(file)) return undefined;
      kept = isAtPath(file, path); // not when its holder has removed or renamed it while we looked
      if (kept) return file;
    } finally {
      if (!kept) file.close();
    }
  }
  return undefined;
}

function expectPlainFile(path: string, purpose: string): void {
  try {
    const { isFile, nlink } = Deno.lstatSync(path);
    if (isFile && (nlink ?? 1) === 1) return; // what has a second name is not ours alone
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  throw new UserError(`Expected ${path} to be free for ${purpose}, got something else. Move it away.`);
}

export class Lock implements Disposable {
  readonly #held: Disposable;

  private constructor(private readonly file: Deno.FsFile, readonly path: string, what: string) {
    this.#held = holdPlace(what);
    try {
      file.truncateSync(0);
      file.writeSync(new TextEncoder().encode(`${ourselves()}\n`));
    } catch {
      // A full disk: the lock is held all the same, by "another process".
    }
  }

  /**
   * Takes a lock.
   * @param path of its file, which exists as long as the lock is held.
   * @param what is locked, a file or folder: "runs/x". This process may replace the files there until it releases the lock.
   * @throws UserError that names the holder if another process has the lock.
   */
  static take(path: string, what: string): Lock {
    const taken = Lock.#try(path, what);
    if (taken instanceof Lock) return taken;
    throw new UserError(
      `${what} is being written by ${taken.holder}. Wait until it has ended, or stop it; nothing was changed.`,
    );
  }

  /** Waits for a lock. @param onWait receives the holder, once, if the lock is not free. */
  static async wait(path: string, what: string, onWait: (holder: string) => void): Promise<Lock> {
    for (let told = false;; told = true) {
      const taken = Lock.#try(path, what);
      if (taken instanceof Lock) return taken;
      if (!told) onWait(taken.holder);
      await new Promise((done) => setTimeout(done, LOOK_MS));
    }
  }

  static #try(path: string, what: string): Lock | { readonly holder: string } {
    try {
      const file = openLocked(path, "a lock");
      return file ? new Lock(file, path, what) : { holder: holderAt(path) };
    } catch (error) {
      throw explainFileError(error, "write to", what);
    }
  }

  [Symbol.dispose](): void {
    this.#held[Symbol.dispose]();
    try {
      Deno.removeSync(this.path); // while it is held: nobody else's is removed
    } catch {
      // Removed with its folder, or not removable: an unlocked lock file is free.
    }
    this.file.close();
  }
}

function ourselves(): string {
  const [, command = "this program"] = /([^/\\]+)\.[tj]s$/.exec(Deno.mainModule) ?? [];
  const words = [command, ...Deno.args].join(" ").replace(/\p{Cc}+/gu, " ").slice(0, 200);
  const since = new Date().toISOString().slice(0, 19).replace("T", " ");
  return `process ${Deno.pid} (${words}, since ${since} UTC)`;
}

function holderAt(path: string): string {
  const unnamed = "another process";
  try {
    return Deno.readTextFileSync(path).trim().split("\n", 1)[0] || unnamed;
  } catch {
    return unnamed; // it has just ended, or the system lets nobody read what is locked
  }
}
