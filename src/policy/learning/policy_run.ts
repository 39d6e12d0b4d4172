/**
 * Trains a policy from the beginning, or from a saved state, to the end. The policy's folder contains
 * `policy.json`, `train.csv` (metrics of every page), `curve.csv` (metrics of every evaluation), and
 * `last.safetensors` (training state and best weights so far).
 */

import { readText } from "../../files/local_file.ts";
import { CsvLog } from "../../run/csv_log.ts";
import type { ParameterSpec } from "../../tape/parameters.ts";
import { describeSubject, type PolicyConfig, writePolicyConfig } from "../policy_config.ts";
import { type BestWeights, type PolicySnapshot, writePolicy } from "./policy_snapshot.ts";
import { CURVE_EPISODE } from "./policy_trainer.ts";
import type { PolicyState, PolicyStepMetrics, PolicyTrainer } from "./policy_trainer.ts";
import { computeClickRate, computeCoverage, meanReturn } from "../../simulate/simulation_metrics.ts";
import type { SimulationMetrics } from "../../simulate/simulation_metrics.ts";
import type { TrainingStepResult } from "../../train/training_results.ts";

const TRAIN = ["iteration", "loss", "q", "reward", "epsilon"];
const CURVE = ["user_steps", "return", "standard_error", "click_rate", "coverage"];

export interface LearningCurvePoint {
  readonly userSteps: number;
  readonly return: number;
  readonly standardError: number;
  readonly clickRate: number;
  readonly coverage: number;
}

/** The open files of a policy's training. The caller must hold the folder's lock (files/owned_folder.ts). */
export class PolicyFolder {
  private constructor(
    readonly path: string,
    readonly config: PolicyConfig,
    /** Snapshot from which the training resumes; undefined for a new training. */
    readonly before: PolicySnapshot | undefined,
    readonly train: CsvLog,
    readonly curve: CsvLog,
  ) {}

  /**
   * Opens the files of a training. Deletes log rows that are newer than the snapshot `before`, if given.
   * @throws UserError if the folder cannot be written, or has logs of another training.
   */
  static async open(path: string, config: PolicyConfig, before?: PolicySnapshot): Promise<PolicyFolder> {
    const { marks, iteration } = before ?? {};
    if (marks) {
      CsvLog.expectMarked(`${path}/train.csv`, marks.train, iteration);
      CsvLog.expectMarked(`${path}/curve.csv`, marks.curve);
    } else {
      CsvLog.expectUnbegun(`${path}/train.csv`, TRAIN);
      CsvLog.expectUnbegun(`${path}/curve.csv`, CURVE);
      await writePolicyConfig(path, config); // before the logs, so that --resume works from now on
    }
    const open = (name: "train" | "curve", columns: readonly string[]) => {
      const file = `${path}/${name}.csv`;
      return marks ? CsvLog.resume(file, columns, marks[name]) : CsvLog.begin(file, columns);
    };
    const train = open("train", TRAIN);
    let folder: PolicyFolder;
    try {
      folder = new PolicyFolder(path, config, before, train, open("curve", CURVE));
    } catch (error) {
      train.close();
      throw error;
    }
    if (marks) await writePolicyConfig(path, config);
    return folder;
  }

  async save(specs: readonly ParameterSpec[], state: PolicyState, best?: BestWeights): Promise<void> {
    this.train.flush();
    this.curve.flush();
    const marks = { train: this.train.mark(), curve: this.curve.mark() };
    const { training: { algorithm }, trainedOn } = this.config;
    await writePolicy(this.path, specs, state, {
      algorithm,
      trainedOn: describeSubject(trainedOn),
      marks,
      best,
    });
  }

  [Symbol.dispose](): void {
    try {
      this.train.close();
    } finally {
      this.curve.close();
    }
  }
}

/** Returns the existing points of a policy's learning curve; [] if the file cannot be read. */
export async function readCurve(path: string): Promise<LearningCurvePoint[]> {
  const text = await readText(`${path}/curve.csv`).catch(() => "");
  return text.split("\n").slice(1).flatMap((line): LearningCurvePoint[] => {
    const cells = line.split(",").map(Number);
    if (cells.length !== CURVE.length || !cells.every(Number.isFinite)) return [];
    const [userSteps = NaN, mean = NaN, standardError = NaN, clickRate = NaN, coverage = NaN] = cells;
    return [{ userSteps, return: mean, standardError, clickRate, coverage }];
  });
}

export interface PolicyResult {
  readonly iteration: number;
  readonly finished: boolean;
  /** Final evaluation of the best weights, on users other than those of the learning curve. */
  readonly chosen: LearningCurvePoint | undefined;
}

function curvePoint(userSteps: number, metrics: SimulationMetrics): LearningCurvePoint {
  const { returns } = metrics;
  const mean = meanReturn(metrics);
  const squares = returns.reduce((sum, own) => sum + (own - mean) ** 2, 0);
  return {
    userSteps,
    return: mean,
    standardError: Math.sqrt(squares / Math.max(1, returns.length - 1) / returns.length),
    clickRate: computeClickRate(metrics),
    coverage: computeCoverage(metrics),
  };
}

/**
 * Trains a policy to the end. The training state is saved after each evaluation. A resumed training gives
 * the same weights as an uninterrupted training, bit for bit. If `signal` is aborted, the current episode is
 * finished and saved. At the end, the trainer has the best weights.
 * @throws DivergedError if the loss diverges; the last saved state remains.
 */
export async function runPolicy(
  trainer: PolicyTrainer,
  folder: PolicyFolder,
  events: {
    onPage?(result: TrainingStepResult<PolicyStepMetrics>): void;
    onPoint?(point: LearningCurvePoint): void;
  },
  signal?: AbortSignal,
): Promise<PolicyResult> {
  const { schedule, config: { users } } = trainer;
  const { iterations, evaluateEvery } = schedule;
  const { specs } = trainer;
  let best = folder.before?.best(specs);
  const save = async () => folder.save(specs, await trainer.stateOfAll(), best);
  const callbacks = {
    onStep: (result: TrainingStepResult<PolicyStepMetrics>) => {
      const { iteration, loss, q, reward } = result;
      folder.train.append([iteration, loss, q, reward, schedule.epsilon(iteration)]);
      events.onPage?.(result);
    },
  };
  const evaluate = async () => {
    const point = curvePoint(trainer.iteration * users, await trainer.evaluate());
    const { userSteps, standardError, clickRate, coverage } = point;
    folder.curve.append([userSteps, point.return, standardError, clickRate, coverage]);
    events.onPoint?.(point);
    if (best && best.return >= point.return) return;
    best = { userSteps, return: point.return, weights: await trainer.weights() };
  };
  if (!best) {
    await save(); // first, because a snapshot must exist before the curve has a row
    await evaluate();
    await save();
  }
  while (trainer.iteration < iterations && !signal?.aborted) {
    const next = (Math.floor(trainer.iteration / evaluateEvery) + 1) * evaluateEvery;
    const end = Math.min(iterations, next);
    await trainer.run(end, callbacks, signal);
    if (trainer.iteration < end) await trainer.run(schedule.endOfEpisode(trainer.iteration), callbacks);
    if (trainer.iteration === end) await evaluate();
    await save();
  }
  const finished = trainer.iteration >= iterations;
  let chosen: LearningCurvePoint | undefined;
  if (finished && best) {
    trainer.setWeights(best.weights);
    chosen = curvePoint(best.userSteps, await trainer.evaluate(undefined, CURVE_EPISODE + 1));
  }
  return { iteration: trainer.iteration, finished, chosen };
}
