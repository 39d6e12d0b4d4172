/**
 * Locks of files and folders. A lock is a separate file. The process that takes the lock writes its name to
 * this file, and locks the file with flock. When the process ends, the operating system unlocks the file.
 */

import { UserError } from "../user_error.ts";
import { withFileErrorsSync } from "./local_file.ts";
import { holdPlace, requireWritable } from "./write_scope.ts";

/** Interval, in milliseconds, at which a waiting process tries to take the lock. */
const LOOK_MS = 100;

/** Maximum number of tries to lock a file. A try fails if another process removes the file meanwhile. */
const MOST_TRIES = 100;

const WITHOUT_LOCKS = ["ENOTSUP", "EOPNOTSUPP", "ENOLCK", "ENOSYS"];

/** Tries to lock a file. @returns true on success, or if locks are not supported */
export function tryLock(file: Deno.FsFile): boolean {
  try {
    return file.tryLockSync(true);
  } catch (error) {
    if (error instanceof Error && "code" in error && WITHOUT_LOCKS.includes(String(error.code))) return true;
    throw error;
  }
}

/** Returns true if the open file is still at `path`. Another process may have removed or replaced it. */
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
 * Opens and locks a file. A missing file is created. The contents of an existing file are kept.
 * @param purpose - use of the file, for messages ("a lock"). @returns undefined if another process locks it.
 * @throws UserError if the path is not a regular file. Errors of the file system are thrown unchanged.
 */
export function openLocked(path: string, purpose: string): Deno.FsFile | undefined {
  for (let tries = 0; tries < MOST_TRIES; tries++) {
    expectPlainFile(path, purpose);
    const file = Deno.openSync(requireWritable(path), { read: true, write: true, create: true });
    let kept = false;
    try {
      if (!tryLock(file)) return undefined;
      kept = isAtPath(file, path); // false if the last owner has just removed or renamed the file
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
    if (isFile && (nlink ?? 1) === 1) return; // a file with a hard link may belong to the user
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  throw new UserError(
    `Expected ${path} to be free for ${purpose}, found another file. Move that file away.`,
  );
}

export class Lock implements Disposable {
  readonly #held: Disposable;

  private constructor(private readonly file: Deno.FsFile, readonly path: string, what: string) {
    this.#held = holdPlace(what);
    try {
      file.truncateSync(0);
      file.writeSync(new TextEncoder().encode(`${ourselves()}\n`));
    } catch {
      // The disk is full. The lock works, but messages of other processes cannot name this process.
    }
  }

  /**
   * Takes a lock for this process. @param path - the lock file, which is removed when the lock is released.
   * @param what - the locked file or folder. @throws UserError if another process has the lock.
   */
  static take(path: string, what: string): Lock {
    const taken = Lock.#try(path, what);
    if (taken instanceof Lock) return taken;
    throw new UserError(
      `${what} is being written by ${taken.holder}. Wait for that process, or stop it; nothing was changed.`,
    );
  }

  /** Waits for a lock and takes it. @param onWait - called once, with the name of the lock's owner. */
  static async wait(path: string, what: string, onWait: (holder: string) => void): Promise<Lock> {
    for (let told = false;; told = true) {
      const taken = Lock.#try(path, what);
      if (taken instanceof Lock) return taken;
      if (!told) onWait(taken.holder);
      await new Promise((done) => setTimeout(done, LOOK_MS));
    }
  }

  static #try(path: string, what: string): Lock | { readonly holder: string } {
    return withFileErrorsSync("write to", what, () => {
      const file = openLocked(path, "a lock");
      return file ? new Lock(file, path, what) : { holder: holderAt(path) };
    });
  }

  [Symbol.dispose](): void {
    this.#held[Symbol.dispose]();
    try {
      Deno.removeSync(this.path); // before unlocking: afterwards, the file may belong to another process
    } catch {
      // The lock's file is already removed, or cannot be removed. An unlocked file blocks no process.
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
    return unnamed; // the other process has just ended, or the system forbids reading a locked file
  }
}
