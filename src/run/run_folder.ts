/**
 * A run's folder: `config.json` (all that is needed to repeat it), `train.csv`, `validation.csv`, the snapshots
 * `best-loss`, `best-prec1`, `best-prec2`, `last` as safetensors, and at the end `result.json`.
 */

import { z } from "zod";
import { UserError } from "../data/user_error.ts";
import { modelConfigSchema } from "../model/config.ts";
import type { ItemsShape } from "../model/item_features.ts";
import { type BestRecords, criteria, type Criterion } from "../train/best_keeper.ts";
import { trainingConfigSchema } from "../train/config.ts";
import type { TrainerState } from "../train/trainer.ts";
import type { ParameterSpec, Weights } from "../tape/parameters.ts";
import { atomicWriteFile, explainFileError, makeFolder } from "./atomic_write.ts";
import { CsvLog } from "./csv_log.ts";
import { MOMENT_PREFIXES, readSnapshot, type SnapshotInfo, writeSnapshot } from "./snapshot.ts";

export const runConfigSchema = z.object({
  clickgan: z.string(),
  /** The arguments as given, for the reader. */
  command: z.array(z.string()),
  data: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("demo"), seed: z.int() }),
    z.strictObject({
      kind: z.literal("paper"),
      path: z.string(),
      sha256: z.string(),
      /** Seed of a new split of the users, or null for the file's own. */
      resplit: z.int().nullable(),
    }),
  ]),
  model: modelConfigSchema,
  training: trainingConfigSchema,
  /** File that the weights start from, or null for drawn ones. */
  init: z.string().nullable(),
  adapter: z.object({
    kind: z.enum(["cpu", "gpu"]),
    description: z.string(),
    vendor: z.string(),
    architecture: z.string(),
    runtime: z.string(),
  }),
});
export type RunConfig = z.infer<typeof runConfigSchema>;

export type SnapshotName = `best-${Criterion}` | "last";

const COLUMNS = ["iteration", "loss", "prec1", "prec2"] as const;

const bestSchema = z.record(
  z.enum(["loss", "prec1", "prec2"]),
  z.object({ value: z.number().nullable(), iteration: z.int() }),
);

export class RunFolder {
  private constructor(
    readonly path: string,
    readonly config: RunConfig,
    readonly train: CsvLog,
    readonly validation: CsvLog,
  ) {}

  /** Starts a run. @throws UserError when the folder cannot be written or holds a run already. */
  static async create(path: string, config: RunConfig): Promise<RunFolder> {
    await makeFolder(path);
    if (await exists(`${path}/config.json`)) {
      throw new UserError(
        `Expected a new or empty folder for the run, but ${path} holds one. ` +
          `Continue it with --resume ${path}, or choose another --save-dir.`,
      );
    }
    await atomicWriteFile(`${path}/config.json`, JSON.stringify(config, null, 2) + "\n");
    const train = await CsvLog.create(`${path}/train.csv`, COLUMNS);
    return new RunFolder(path, config, train, await CsvLog.create(`${path}/validation.csv`, COLUMNS));
  }

  /** @throws UserError when there is no run, or its config is damaged. */
  static async readConfig(path: string): Promise<RunConfig> {
    const file = `${path}/config.json`;
    let text: string;
    try {
      text = await Deno.readTextFile(file);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
        throw new UserError(`Expected a run folder with a config.json, found none at ${path}.`);
      }
      throw explainFileError(error, "read", file);
    }
    try {
      return runConfigSchema.parse(JSON.parse(text));
    } catch (error) {
      const why = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
      throw new UserError(`${file} is damaged: ${why}`);
    }
  }

  /** Opens a run to go on with it; its logs are cut back to the iteration of its last snapshot. */
  static async resume(path: string, config: RunConfig, iteration: number): Promise<RunFolder> {
    const keep = (row: number) => row <= iteration;
    const train = await CsvLog.resume(`${path}/train.csv`, COLUMNS, keep);
    return new RunFolder(path, config, train, await CsvLog.resume(`${path}/validation.csv`, COLUMNS, keep));
  }

  file(name: SnapshotName): string {
    return snapshotFile(this.path, name);
  }

  flush(): void {
    this.train.flush();
    this.validation.flush();
  }

  /** Writes all snapshots and logs. The last snapshot comes last: what it refers to stands already. */
  async save(specs: readonly ParameterSpec[], items: ItemsShape, state: TrainerState): Promise<void> {
    this.flush();
    await this.saveBest(specs, items, state.best, state.snapshots);
    const moments = new Map([[MOMENT_PREFIXES.m, state.m], [MOMENT_PREFIXES.v, state.v]]);
    const info = this.#info(items, state.iteration, "last");
    await writeSnapshot(this.file("last"), specs, state.weights, info, moments, {
      best: JSON.stringify(state.best),
    });
  }

  /** Writes the best snapshots that there are. */
  async saveBest(
    specs: readonly ParameterSpec[],
    items: ItemsShape,
    best: BestRecords,
    snapshots: Partial<Record<Criterion, Weights>>,
  ): Promise<void> {
    for (const criterion of criteria) {
      const weights = snapshots[criterion];
      if (!weights || !Number.isFinite(best[criterion].value)) continue;
      const info = this.#info(items, best[criterion].iteration, `best-${criterion}`);
      await writeSnapshot(this.file(`best-${criterion}`), specs, weights, info);
    }
  }

  async saveResult(result: unknown): Promise<void> {
    this.flush();
    await atomicWriteFile(`${this.path}/result.json`, JSON.stringify(result, null, 2) + "\n");
  }

  #info(items: ItemsShape, iteration: number, kind: string): SnapshotInfo {
    return { model: this.config.model, items, iteration, kind };
  }

  close(): void {
    this.train.close();
    this.validation.close();
  }
}

function snapshotFile(path: string, name: SnapshotName): string {
  return `${path}/${name}.safetensors`;
}

/** What `save` wrote last. @throws UserError when a snapshot is missing or damaged. */
export async function readRunState(path: string): Promise<TrainerState> {
  const file = snapshotFile(path, "last");
  const last = await readSnapshot(file);
  const best = bestSchema.safeParse(JSON.parse(last.metadata.best ?? "null"));
  if (!last.info || !best.success) throw new UserError(`${file} does not hold the state of a run.`);
  const record = (criterion: Criterion) => {
    const { value, iteration } = best.data[criterion] ?? { value: null, iteration: 0 };
    // JSON has no infinities: null stands for "none yet".
    return { value: value ?? (criterion === "loss" ? Infinity : -Infinity), iteration };
  };
  const snapshots: Partial<Record<Criterion, Weights>> = {};
  for (const criterion of criteria) {
    if (!Number.isFinite(record(criterion).value)) continue;
    // A crash between two files may leave a snapshot that is newer than `last`: the same training makes it again.
    snapshots[criterion] = (await readSnapshot(snapshotFile(path, `best-${criterion}`))).weights;
  }
  return {
    iteration: last.info.iteration,
    weights: last.weights,
    m: last.part(MOMENT_PREFIXES.m),
    v: last.part(MOMENT_PREFIXES.v),
    best: { loss: record("loss"), prec1: record("prec1"), prec2: record("prec2") },
    snapshots,
  };
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw explainFileError(error, "look at", path);
  }
}
