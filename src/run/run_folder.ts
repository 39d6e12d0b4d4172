/**
 * The folder of one stage of a run: `config.json` (all that is needed to repeat it), `train.csv`, `validation.csv`, the
 * snapshots `best-loss`, `best-prec1`, `best-prec2`, `last` as safetensors, and at the end `result.json`. The Shannon
 * stage's is the run's own folder, the adversarial stage's is `adversarial` in it.
 */

import { z } from "zod";
import { UserError } from "../user_error.ts";
import { kernelShapesSchema } from "../gpu/kernel_shapes.ts";
import { modelConfigSchema } from "../model/config.ts";
import { checkWeights } from "../model/user_model.ts";
import type { ItemsShape } from "../data/item_catalogue.ts";
import { criteria, type Criterion } from "../train/best_keeper.ts";
import { adversarialConfigSchema, trainingConfigSchema } from "../train/config.ts";
import type { TrainerState } from "../train/batch_trainer.ts";
import type { ParameterSpec, Weights } from "../tape/parameters.ts";
import { atomicWriteFile, makeFolder } from "../files/atomic_write.ts";
import { exists, explainFileError } from "../files/file_error.ts";
import { parseJson, readJson } from "../files/json_file.ts";
import { CsvLog } from "./csv_log.ts";
import {
  MOMENT_PREFIXES,
  readSnapshot,
  type SnapshotGame,
  type SnapshotInfo,
  writeSnapshot,
} from "./snapshot.ts";

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
    z.strictObject({
      kind: z.literal("prepared"),
      path: z.string(),
      /** Of its files, all together. */
      sha256: z.string(),
      resplit: z.int().nullable(),
      /** A log of more displayed items than this stays on disk. */
      memoryRows: z.int().min(0),
    }),
  ]),
  model: modelConfigSchema,
  /** Of the Shannon stage; its seed is the run's. */
  training: trainingConfigSchema,
  /** Whether there is a Shannon stage. */
  pretrain: z.boolean().default(true),
  /** The adversarial stage after it, or alone. */
  adversarial: adversarialConfigSchema.nullable().default(null),
  /** File that the weights start from, or null for drawn ones. */
  init: z.strictObject({ path: z.string(), sha256: z.string() }).nullable(),
  adapter: z.object({
    kind: z.enum(["cpu", "gpu"]),
    description: z.string(),
    vendor: z.string(),
    architecture: z.string(),
    runtime: z.string(),
    /** "unknown" where it cannot be found out. */
    driver: z.string(),
  }),
  /** Operating system and processor, e.g. "x86_64-unknown-linux-gnu". */
  system: z.string(),
  /** Which kernels it runs on; the fixed table where there are none. */
  shapes: kernelShapesSchema.optional(),
});
export type RunConfig = z.infer<typeof runConfigSchema>;

export type SnapshotName = `best-${Criterion}` | "last";

const bestSchema = z.record(
  z.enum(["loss", "prec1", "prec2"]),
  z.object({ value: z.number().nullable(), iteration: z.int() }),
);

export class RunFolder {
  /** Iterations of the best snapshots that stand in the folder. */
  readonly #saved: Partial<Record<Criterion, number>> = {};

  private constructor(
    readonly path: string,
    readonly config: RunConfig,
    private readonly game: SnapshotGame | undefined,
    private readonly train: CsvLog,
    private readonly validation: CsvLog,
  ) {}

  /**
   * Starts a stage. @param columns of its logs, after the iteration. @param game what its snapshots say of the generator.
   * @throws UserError when the folder cannot be written or is not empty.
   */
  static async create(
    path: string,
    config: RunConfig,
    columns: readonly string[],
    game?: SnapshotGame,
  ): Promise<RunFolder> {
    await makeNewFolder(path);
    await writeConfig(path, config);
    const all = ["iteration", ...columns];
    const train = await CsvLog.create(`${path}/train.csv`, all);
    return new RunFolder(path, config, game, train, await CsvLog.create(`${path}/validation.csv`, all));
  }

  /** @throws UserError when there is no run, or its config is damaged. */
  static async readConfig(path: string): Promise<RunConfig> {
    const config = await readJson(`${path}/config.json`, runConfigSchema);
    if (!config) throw new UserError(`Expected a run folder with a config.json, found none at ${path}.`);
    return config;
  }

  /** Whether a run has saved anything to go on from. */
  static hasState(path: string): Promise<boolean> {
    return exists(snapshotFile(path, "last"));
  }

  /** Opens a stage to go on with it; its logs are cut back to the iteration of its last snapshot. */
  static async resume(
    path: string,
    config: RunConfig,
    columns: readonly string[],
    game: SnapshotGame | undefined,
    iteration: number,
  ): Promise<RunFolder> {
    // What is written before the first step comes again: the validation of iteration 0.
    const keep = (row: number) => iteration > 0 && row <= iteration;
    const all = ["iteration", ...columns];
    const train = await CsvLog.resume(`${path}/train.csv`, all, keep);
    return new RunFolder(path, config, game, train, await CsvLog.resume(`${path}/validation.csv`, all, keep));
  }

  /** Adds a row; a figure that there is none of (precision without a click) leaves its field empty. */
  append(log: "train" | "validation", iteration: number, row: readonly number[]): void {
    this[log].append([iteration, ...row.map((value) => (Number.isNaN(value) ? "" : value))]);
  }

  file(name: SnapshotName): string {
    return snapshotFile(this.path, name);
  }

  flush(): void {
    this.train.flush();
    this.validation.flush();
  }

  /**
   * Writes all snapshots and logs. `last` says which best snapshots belong to it, so new ones stand beside the old under
   * another name until it is written: a crash at any point leaves a `last` with its own best snapshots.
   */
  async save(specs: readonly ParameterSpec[], items: ItemsShape, state: TrainerState): Promise<void> {
    this.flush();
    const fresh = criteria.filter((criterion) => this.#saved[criterion] !== state.best[criterion].iteration);
    for (const criterion of fresh) {
      await this.#saveBest(specs, items, state, criterion, asideFile(this.path, criterion));
    }
    const moments = new Map([[MOMENT_PREFIXES.m, state.m], [MOMENT_PREFIXES.v, state.v]]);
    const info = this.#info(items, state.iteration, "last");
    await writeSnapshot(this.file("last"), specs, state.weights, info, moments, {
      best: JSON.stringify(state.best),
    });
    for (const criterion of fresh) {
      if (!Number.isFinite(state.best[criterion].value)) continue;
      await replaceFile(asideFile(this.path, criterion), this.file(`best-${criterion}`));
      this.#saved[criterion] = state.best[criterion].iteration;
    }
  }

  /** Writes the best snapshots alone, for a training that cannot go on; those of `last` are put aside. */
  async saveBest(specs: readonly ParameterSpec[], items: ItemsShape, state: TrainerState): Promise<void> {
    for (const criterion of criteria) {
      if (this.#saved[criterion] === state.best[criterion].iteration) continue;
      const file = this.file(`best-${criterion}`);
      if (await exists(file)) await replaceFile(file, asideFile(this.path, criterion));
      await this.#saveBest(specs, items, state, criterion, file);
    }
  }

  async #saveBest(
    specs: readonly ParameterSpec[],
    items: ItemsShape,
    { best, snapshots }: TrainerState,
    criterion: Criterion,
    path: string,
  ): Promise<void> {
    const weights = snapshots[criterion];
    const { value, iteration } = best[criterion];
    if (!weights || !Number.isFinite(value)) return;
    await writeSnapshot(path, specs, weights, this.#info(items, iteration, `best-${criterion}`));
  }

  async saveResult(result: unknown): Promise<void> {
    this.flush();
    await atomicWriteFile(`${this.path}/result.json`, JSON.stringify(result, null, 2) + "\n");
  }

  #info(items: ItemsShape, iteration: number, kind: string): SnapshotInfo {
    return { model: this.config.model, items, iteration, kind, game: this.game };
  }

  close(): void {
    try {
      this.train.close();
    } finally {
      this.validation.close();
    }
  }

  /** Takes back a run in which nothing could be saved. */
  async remove(): Promise<void> {
    try {
      this.close();
    } finally {
      await RunFolder.clear(this.path);
    }
  }

  /** Removes what `create` and an unsuccessful `save` leave behind; nothing else. */
  static async clear(path: string): Promise<void> {
    const waiting = criteria.map((criterion) => asideFile(path, criterion));
    const files = ["config.json", "train.csv", "validation.csv"].map((name) => `${path}/${name}`);
    for (const file of [...files, ...waiting]) {
      if (await exists(file)) await Deno.remove(file);
    }
  }
}

function snapshotFile(path: string, name: SnapshotName): string {
  return `${path}/${name}.safetensors`;
}

/** Where a best snapshot stands that is newer than `last`, or that `last` belongs to while a newer one has its name. */
function asideFile(path: string, criterion: Criterion): string {
  return `${path}/best-${criterion}.aside.safetensors`;
}

/**
 * What `save` wrote last, checked against the model that the config describes.
 * @throws UserError when a snapshot is missing, damaged or of another shape.
 */
export async function readRunState(path: string, specs: readonly ParameterSpec[]): Promise<TrainerState> {
  const file = snapshotFile(path, "last");
  const last = await readSnapshot(file);
  const best = bestSchema.safeParse(parseJson(last.metadata.best));
  if (!last.info || !best.success) throw new UserError(`${file} does not hold the state of a run.`);
  const [m, v] = [last.part(MOMENT_PREFIXES.m), last.part(MOMENT_PREFIXES.v)];
  for (const [weights, what] of [[last.weights, ""], [m, "Adam's m in "], [v, "Adam's v in "]] as const) {
    checkWeights(specs, weights, `${what}${file}`);
  }
  const record = (criterion: Criterion) => {
    const { value, iteration } = best.data[criterion] ?? { value: null, iteration: 0 };
    // JSON has no infinities: null stands for "none yet".
    return { value: value ?? (criterion === "loss" ? Infinity : -Infinity), iteration };
  };
  const snapshots: Partial<Record<Criterion, Weights>> = {};
  for (const criterion of criteria) {
    const { value, iteration } = record(criterion);
    if (!Number.isFinite(value)) continue;
    snapshots[criterion] = await readBest(path, specs, criterion, iteration);
  }
  return {
    iteration: last.info.iteration,
    weights: last.weights,
    m,
    v,
    best: { loss: record("loss"), prec1: record("prec1"), prec2: record("prec2") },
    snapshots,
  };
}

/** The best snapshot of an iteration, which may stand aside after a crash or a divergence. */
async function readBest(
  path: string,
  specs: readonly ParameterSpec[],
  criterion: Criterion,
  iteration: number,
): Promise<Weights> {
  const file = snapshotFile(path, `best-${criterion}`);
  const aside = asideFile(path, criterion);
  for (const name of [file, aside]) {
    if (!await exists(name)) continue;
    const { info, weights } = await readSnapshot(name);
    if (info?.iteration !== iteration) continue;
    checkWeights(specs, weights, name);
    if (name === aside) await replaceFile(aside, file);
    return weights;
  }
  throw new UserError(
    `Expected ${file} to be the snapshot of iteration ${iteration}, found none. The run cannot go on.`,
  );
}

export async function writeConfig(path: string, config: RunConfig): Promise<void> {
  await atomicWriteFile(`${path}/config.json`, JSON.stringify(config, null, 2) + "\n");
}

async function replaceFile(from: string, to: string): Promise<void> {
  try {
    await Deno.rename(from, to);
  } catch (error) {
    throw explainFileError(error, "write", to);
  }
}

/** Makes a folder that nothing is in yet. @throws UserError when there is something in it, or it cannot be made. */
export async function makeNewFolder(path: string): Promise<void> {
  await makeFolder(path);
  try {
    for await (const { name } of Deno.readDir(path)) {
      const run = await exists(`${path}/config.json`) || await exists(`${path}/seeds.json`);
      throw new UserError(
        `Expected a new or empty folder for the run, but ${path} holds ${run ? "one" : name}. ` +
          (run ? `Continue it with --resume ${path}, or choose` : "Choose") + " another --save-dir.",
      );
    }
  } catch (error) {
    throw explainFileError(error, "read the folder", path);
  }
}
