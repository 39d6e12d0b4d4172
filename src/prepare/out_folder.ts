/** The folder of a data set that is being made: it has its name only when it is whole. */

import { dirname } from "node:path";
import { UserError } from "../user_error.ts";
import { explainFileError } from "../files/file_error.ts";
import { makeFolder } from "../files/atomic_write.ts";

/** What is added to the name while the data set is made. */
export const PARTIAL = ".partial";

export class OutFolder {
  private constructor(readonly path: string, readonly partial: string) {}

  /** @throws UserError when there is something at the path, or nothing can be written there. */
  static async begin(path: string): Promise<OutFolder> {
    const trimmed = path.replace(/[/\\]+$/, "") || path;
    if (await holdsSomething(trimmed)) {
      throw new UserError(
        `Expected a new or empty folder for the prepared data, but ${trimmed} holds something. Choose another --out.`,
      );
    }
    const partial = trimmed + PARTIAL;
    // What an earlier preparation left that was killed.
    await removeTree(partial);
    await makeFolder(dirname(trimmed));
    await makeFolder(`${partial}/work`);
    return new OutFolder(trimmed, partial);
  }

  /** For the engine's own files. */
  get work(): string {
    return `${this.partial}/work`;
  }

  /** Gives the folder its name. */
  async finish(): Promise<void> {
    await removeTree(this.work);
    try {
      await Deno.remove(this.path).catch(() => {}); // an empty folder that was there
      await Deno.rename(this.partial, this.path);
    } catch (error) {
      throw explainFileError(error, "write", this.path);
    }
  }

  async abandon(): Promise<void> {
    await removeTree(this.partial);
  }
}

async function holdsSomething(path: string): Promise<boolean> {
  try {
    for await (const _ of Deno.readDir(path)) return true;
    return false;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw explainFileError(error, "make the folder", path);
  }
}

async function removeTree(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw explainFileError(error, "remove", path);
  }
}
