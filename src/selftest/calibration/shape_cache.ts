/** Kernel shapes that were calibrated, in a file of the user's cache folder: each adapter is calibrated once. */

import { join } from "node:path";
import * as v from "../../schema.ts";
import { UserError } from "../../user_error.ts";
import { type KernelShapes, kernelShapesSchema } from "../../gpu/kernel_shapes.ts";
import { makeFolder } from "../../run/files/atomic_write.ts";
import { Lock } from "../../run/files/lock.ts";
import { lockBeside } from "../../run/files/owned_folder.ts";
import { readJson, writeJson } from "../../run/files/json_file.ts";

/** What shapes depend on. Where any of it differs, they are calibrated again. */
const keySchema = v.strictObject({
  adapter: v.string(),
  driver: v.string(),
  runtime: v.string(),
  clickgan: v.string(),
  /** Of the kernels' texts. */
  sha256: v.string(),
  /** Of the products. */
  sizes: v.array(v.string()),
});
export type ShapeKey = v.InferOutput<typeof keySchema>;

const cacheSchema = v.strictObject({
  entries: v.array(v.strictObject({ for: keySchema, shapes: kernelShapesSchema })),
});
type Entries = v.InferOutput<typeof cacheSchema>["entries"];

/** Older ones make room. */
const MOST_ENTRIES = 100;

/** Nothing here throws for a file: with a cache that cannot be used, a run calibrates again. */
export class ShapeCache {
  /** @param say is told, in a line, why a cache was not used. */
  constructor(readonly folder: string, private readonly say: (text: string) => void) {}

  get file(): string {
    return join(this.folder, "kernel_shapes.json");
  }

  async read(key: ShapeKey): Promise<KernelShapes | undefined> {
    return (await this.#entries()).find((entry) => isSame(entry.for, key))?.shapes;
  }

  async write(key: ShapeKey, shapes: KernelShapes): Promise<void> {
    try {
      await makeFolder(this.folder);
      // Another run may add its own shapes at the same time: they must not be lost.
      using _ = await Lock.wait(lockBeside(this.file), this.file, () => {});
      const others = (await this.#entries(() => {})).filter((entry) => !isSame(entry.for, key));
      const entries = [...others, { for: key, shapes }].slice(-MOST_ENTRIES);
      await writeJson(this.file, { entries });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.say(`The kernel shapes are not kept for the next run: ${firstLine(error)}`);
    }
  }

  async #entries(say = this.say): Promise<Entries> {
    try {
      return (await readJson(this.file, cacheSchema))?.entries ?? [];
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      say(`The cache of kernel shapes is not used: ${firstLine(error)}`);
      return [];
    }
  }
}

function isSame(a: ShapeKey, b: ShapeKey): boolean {
  // In the schema's order.
  const [one, other] = [a, b].map((key) => JSON.stringify(v.parse(keySchema, key)));
  return one === other;
}

function firstLine({ message }: Error): string {
  return message.split("\n", 1)[0] ?? message;
}
