/**
 * The folder of a data set that is being made: it has its name only when it is whole. Until then it is NAME.partial, with
 * a file in it that says whose it is; a lock beside it keeps other preparations away.
 */

import { dirname, join } from "node:path";
import { makeFolder } from "../../run/files/atomic_write.ts";
import { exists, explainFileError } from "../../run/files/file_error.ts";
import { Lock } from "../../run/files/lock.ts";
import { contentsOf, expectEmpty, lockBeside, SIGN } from "../../run/files/owned_folder.ts";
import { isTemporaryName } from "../../run/files/temporary_file.ts";
import { UserError } from "../../user_error.ts";

/** What is added to the name while the data set is made. */
export const PARTIAL = ".partial";
/** What the engine works in. */
const WORK = "work";
const SIGN_TEXT = "A data set that `deno task data` is making, or did not finish: the next one removes it.\n";

/** All that this program and its engine write there. */
const OWN_NAMES = [
  SIGN,
  "manifest.json",
  ...["users", "items", "pages", "vocabulary"].map((part) => `${part}.parquet`),
];
const OWN_WORK = /^(work\.duckdb.*|no_\w+\.csv|spill)$/;
const OWN_SPILL = /^duckdb/;

const PURPOSE = { what: "the prepared data", option: "--out" };

export class OutFolder implements Disposable {
  private constructor(
    readonly path: string,
    readonly partial: string,
    private readonly lock: Lock,
  ) {}

  /**
   * @throws UserError when there is something at the path, another preparation writes there, or nothing can be written
   * there.
   */
  static async begin(path: string): Promise<OutFolder> {
    const trimmed = path.replace(/[/\\]+$/, "") || path;
    const partial = trimmed + PARTIAL;
    expectEmpty(trimmed, PURPOSE);
    expectOwn(partial);
    await makeFolder(dirname(trimmed));
    const lock = Lock.take(lockBeside(trimmed), trimmed);
    try {
      expectEmpty(trimmed, PURPOSE); // another preparation may have ended since the first look
      expectOwn(partial);
      await removeOwn(partial);
      await writeFiles(partial, async () => {
        await Deno.mkdir(partial);
        await Deno.writeTextFile(join(partial, SIGN), SIGN_TEXT);
        await Deno.mkdir(join(partial, WORK));
      });
      return new OutFolder(trimmed, partial, lock);
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  }

  /** Has a set written that gets its name when it is whole. @throws UserError as {@link begin}, and what `write` throws. */
  static async fill<T>(path: string, write: (folder: string) => Promise<T>): Promise<T> {
    using out = await OutFolder.begin(path);
    try {
      const made = await write(out.partial);
      await out.finish();
      return made;
    } catch (error) {
      await out.abandon();
      throw error;
    }
  }

  /** For the engine's own files. */
  get work(): string {
    return join(this.partial, WORK);
  }

  /** Gives the folder its name. */
  async finish(): Promise<void> {
    await writeFiles(this.path, async () => {
      await removeWork(this.work);
      if (await exists(this.path)) await Deno.remove(this.path); // an empty folder that was there
      await Deno.rename(this.partial, this.path);
    });
    // A data set that is whole is no failure for a sign that stays in it: nobody reads it.
    await Deno.remove(join(this.path, SIGN)).catch(() => {});
  }

  async abandon(): Promise<void> {
    await removeOwn(this.partial);
  }

  [Symbol.dispose](): void {
    this.lock[Symbol.dispose]();
  }
}

/** @throws UserError for a folder in the way of which something was not written by this program. */
function expectOwn(partial: string): void {
  const names = contentsOf(partial);
  if (names === undefined || names.length === 0) return;
  const spill = join(partial, WORK, "spill");
  const found = names.includes(SIGN)
    ? [
      ...names.filter((name) => !OWN_NAMES.includes(name) && name !== WORK),
      ...(contentsOf(join(partial, WORK)) ?? []).filter((name) => !OWN_WORK.test(name)),
      ...(contentsOf(spill) ?? []).filter((name) => !OWN_SPILL.test(name)),
    ]
    : names;
  if (found.length === 0) return;
  throw new UserError(
    `Expected ${partial} to be free for the data set while it is made, found ${found[0]} in it, ` +
      "which this program did not write. Nothing was changed: move it away, or choose another --out.",
  );
}

/** Removes what {@link expectOwn} let pass; the sign goes last, so that it can be done in two goes. */
async function removeOwn(partial: string): Promise<void> {
  await writeFiles(partial, async () => {
    await removeWork(join(partial, WORK));
    const names = [...OWN_NAMES].reverse(); // the sign goes last
    for (const { name } of await entries(partial)) {
      if (isTemporaryName(name)) names.unshift(name);
    }
    for (const name of names) await removeIfThere(join(partial, name));
    await removeIfThere(partial);
  });
}

async function removeWork(work: string): Promise<void> {
  const spill = join(work, "spill");
  for (const { name } of await entries(spill)) await removeIfThere(join(spill, name));
  await removeIfThere(spill);
  for (const { name } of await entries(work)) await removeIfThere(join(work, name));
  await removeIfThere(work);
}

async function entries(path: string): Promise<Deno.DirEntry[]> {
  try {
    return await Array.fromAsync(Deno.readDir(path));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

async function writeFiles(path: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw explainFileError(error, "write", path);
  }
}
