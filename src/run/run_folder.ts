/**
 * Folder of one stage of a run: `config.json` (everything needed to repeat the run), `train.csv`,
 * `validation.csv`, the safetensors snapshots `best-loss`, `best-prec1`, `best-prec2` and `last`, and at the
 * end `result.json`. The Shannon stage uses the run's folder, the adversarial stage its subfolder
 * `adversarial`.
 */

import type { ItemsShape } from "../data/item_catalogue.ts";
import type { FeatureManifest } from "../data/manifest.ts";
import { writeJson } from "../files/json_file.ts";
import { makeFolder, removeTemporaries } from "../files/atomic_write.ts";
import { pathExists, withFileErrorsSync } from "../files/local_file.ts";
import { listContents } from "../files/owned_folder.ts";
import type { ParameterSpec, Weights } from "../tape/parameters.ts";
import type { LastState, SnapshotName } from "./run_state.ts";
import {
  expectLogs,
  getPendingSnapshotPath,
  getSnapshotPath,
  logFile,
  LOGS,
  replaceFile,
} from "./run_state.ts";
import { criteria, type Criterion, formatBestRecords } from "../train/best_records.ts";
import type { TrainerState } from "../train/networks.ts";
import { UserError } from "../user_error.ts";
import { CsvLog } from "./csv_log.ts";
import { hasConfig, readConfig, type RunConfig, writeConfig } from "./run_config.ts";
import { BEST_PREFIXES, MOMENT_PREFIXES, withMeanRows } from "./snapshot/snapshot.ts";
import type { SnapshotGame, SnapshotInfo } from "./snapshot/snapshot.ts";
import type { RescaledBest } from "./best_loss_choice.ts";
import { writeSnapshot } from "./snapshot_file.ts";

/** Contents of a stage's files that stay the same during training. */
export interface StageFiles {
  readonly config: RunConfig;
  /** Parameters of all networks that the stage trains. */
  readonly specs: readonly ParameterSpec[];
  readonly items: ItemsShape;
  /** Columns of the stage's logs, after the first column `iteration`. */
  readonly columns: readonly string[];
  /** Settings of the adversarial game, for the snapshots; undefined for the Shannon stage. */
  readonly game: SnapshotGame | undefined;
  readonly features: FeatureManifest | undefined;
}

type BestSnapshots = Pick<TrainerState, "best" | "snapshots">;

function withRescaled({ best, snapshots }: BestSnapshots, rescaled: RescaledBest | undefined): BestSnapshots {
  if (!rescaled) return { best, snapshots };
  return { best: { ...best, loss: rescaled.record }, snapshots: { ...snapshots, loss: rescaled.weights } };
}

/** Writes a stage's logs and snapshots. The caller must keep the run's folder locked until `close`. */
export class RunFolder {
  /** Iteration of the best snapshot in the folder, for each validation criterion. */
  readonly #saved: Partial<Record<Criterion, number>> = {};

  private constructor(
    readonly path: string,
    private readonly about: StageFiles,
    private readonly train: CsvLog,
    private readonly validation: CsvLog,
  ) {}

  /**
   * Starts a stage. The folder may contain files of a run that ended before its first snapshot.
   * @throws UserError if the folder cannot be written, or has a best snapshot, a result or log rows.
   */
  static async begin(path: string, about: StageFiles): Promise<RunFolder> {
    await expectUnbegun(path, about.columns);
    await makeFolder(path);
    withFileErrorsSync("write", path, () => removeTemporaries(path)); // of a process that was killed
    await writeConfig(path, about.config);
    return RunFolder.#with(path, about, (log, columns) => CsvLog.begin(log, columns));
  }

  /** Returns true if the folder has a saved training state, from which a run can resume. */
  static hasState(path: string): Promise<boolean> {
    return pathExists(getSnapshotPath(path, "last"));
  }

  /**
   * Opens a stage to resume it. Truncates the logs to their lengths when the snapshot `last` was written.
   * @param last - result of {@link readLast}. @throws UserError if the files have changed.
   */
  static resume(path: string, about: StageFiles, last: LastState): RunFolder {
    expectLogs(path, last);
    withFileErrorsSync("write", path, () => removeTemporaries(path)); // of a process that was killed
    return RunFolder.#with(path, about, (file, columns, log) => CsvLog.resume(file, columns, last.logs[log]));
  }

  static #with(
    path: string,
    about: StageFiles,
    open: (file: string, columns: readonly string[], log: typeof LOGS[number]) => CsvLog,
  ): RunFolder {
    const columns = ["iteration", ...about.columns];
    const train = open(logFile(path, "train"), columns, "train");
    try {
      const validation = open(logFile(path, "validation"), columns, "validation");
      return new RunFolder(path, about, train, validation);
    } catch (error) {
      train.close();
      throw error;
    }
  }

  /** Adds a row to a log. A metric that is NaN (e.g. precision without clicks) gives an empty field. */
  append(log: "train" | "validation", iteration: number, row: readonly number[]): void {
    this[log].append([iteration, ...row.map((value) => (Number.isNaN(value) ? "" : value))]);
  }

  file(name: SnapshotName): string {
    return getSnapshotPath(this.path, name);
  }

  flush(): void {
    this.train.flush();
    this.validation.flush();
  }

  /**
   * Writes all snapshots and logs. First, new best snapshots are written under temporary names. Then `last`
   * is written, which stores the iterations of the best snapshots. At the end, the new best snapshots replace
   * the old ones. So even after a crash, the folder has the best snapshots that `last` refers to.
   * @param rescaled - rescaled weights to save as best-loss. If given, `last` also stores the trained weights
   * with the lowest validation loss.
   */
  async save(state: TrainerState, rescaled: RescaledBest | undefined): Promise<void> {
    this.flush();
    const best = withRescaled(state, rescaled);
    const fresh = criteria.filter((criterion) => this.#saved[criterion] !== best.best[criterion].iteration);
    for (const criterion of fresh) {
      await this.#saveBest(best, criterion, getPendingSnapshotPath(this.path, criterion));
    }
    const more = new Map<string, Weights>([[MOMENT_PREFIXES.m, state.m], [MOMENT_PREFIXES.v, state.v]]);
    const { loss } = state.snapshots;
    if (rescaled && loss) more.set(BEST_PREFIXES.loss, this.#filled(loss));
    const info = this.#info(state.iteration, "last");
    await writeSnapshot(this.file("last"), this.about.specs, this.#filled(state.weights), info, more, {
      best: formatBestRecords(state.best),
      ...(rescaled && { rescaled: String(rescaled.record.iteration) }),
      logs: JSON.stringify({ train: this.train.mark(), validation: this.validation.mark() }),
    });
    for (const criterion of fresh) {
      if (!Number.isFinite(best.best[criterion].value)) continue;
      await replaceFile(getPendingSnapshotPath(this.path, criterion), this.file(`best-${criterion}`));
      this.#saved[criterion] = best.best[criterion].iteration;
    }
  }

  /**
   * Writes the best snapshots of a training that has diverged, and leaves `last` as it is. The previous
   * best snapshots get temporary names, because a training resumed from `last` needs them.
   */
  async saveBest(state: TrainerState, rescaled: RescaledBest | undefined): Promise<void> {
    const best = withRescaled(state, rescaled);
    for (const criterion of criteria) {
      if (this.#saved[criterion] === best.best[criterion].iteration) continue;
      const file = this.file(`best-${criterion}`);
      if (await pathExists(file)) await replaceFile(file, getPendingSnapshotPath(this.path, criterion));
      await this.#saveBest(best, criterion, file);
    }
  }

  async #saveBest({ best, snapshots }: BestSnapshots, criterion: Criterion, path: string): Promise<void> {
    const weights = snapshots[criterion];
    const { value, iteration } = best[criterion];
    if (!weights || !Number.isFinite(value)) return;
    const info = this.#info(iteration, `best-${criterion}`);
    await writeSnapshot(path, this.about.specs, this.#filled(weights), info);
  }

  async saveResult(result: object): Promise<void> {
    this.flush();
    await writeJson(`${this.path}/result.json`, result);
  }

  #filled(weights: Weights): Weights {
    const { specs, items, features } = this.about;
    return items.kind === "mixed" ? withMeanRows(specs, weights, features, items.tokens) : weights;
  }

  #info(iteration: number, kind: string): SnapshotInfo {
    const { config: { model }, items, game, features } = this.about;
    return { model, items, iteration, kind, game, features };
  }

  close(): void {
    try {
      this.train.close();
    } finally {
      this.validation.close();
    }
  }
}

/**
 * Checks that a stage can begin in a folder. @throws UserError if the folder has a best snapshot, a result or
 * log rows, which the stage would replace.
 */
export async function expectUnbegun(path: string, columns: readonly string[]): Promise<void> {
  const names = listContents(path) ?? [];
  const left = names.find((name) => /^best-.*\.safetensors$/.test(name) || name === "result.json");
  if (left !== undefined) {
    throw new UserError(
      `Expected ${getSnapshotPath(path, "last")} to resume from, found none, although ${path} ` +
        `has ${left}. Nothing was changed: restore the file. Otherwise the run cannot be resumed; start ` +
        "a new run in another folder, from a remaining snapshot with --init.",
    );
  }
  for (const log of LOGS) CsvLog.expectUnbegun(logFile(path, log), ["iteration", ...columns]);
  if (await hasConfig(path)) await readConfig(path);
}
