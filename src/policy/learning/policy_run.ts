/**
 * The training of a policy from its first page, or from where it stopped, to its last; all of it in its folder: `policy.json`,
 * `train.csv` with the figures of every page, `curve.csv` with what the policy brought whenever it was evaluated, and
 * `last.safetensors`, from which its training goes on, and which has the best weights so far.
 */

import { pathExists, readText } from "../../files/local_file.ts";
import { CsvLog } from "../../run/csv_log.ts";
import type { ParameterSpec } from "../../tape/parameters.ts";
import { describeSubject, type PolicyConfig, writePolicyConfig } from "../policy_config.ts";
import { type BestWeights, getPolicyPath, type PolicySnapshot, writePolicy } from "./policy_snapshot.ts";
import {
  CURVE_EPISODE,
  type PolicyState,
  type PolicyStepMetrics,
  type PolicyTrainer,
} from "./policy_trainer.ts";
import {
  computeClickRate,
  computeCoverage,
  meanReturn,
  type SimulationMetrics,
} from "../../simulate/simulation_metrics.ts";
import type { TrainingStepResult } from "../../train/training_results.ts";

const TRAIN = ["iteration", "loss", "q", "reward", "epsilon"];
const CURVE = ["user_steps", "return", "standard_error", "click_rate", "coverage"];

/** A point of the curve. */
export interface LearningCurvePoint {
  readonly userSteps: number;
  readonly return: number;
  readonly standardError: number;
  readonly clickRate: number;
  /** Share of the catalogue that was shown. */
  readonly coverage: number;
}

/** The caller owns the folder (files/owned_folder.ts) as long as it is open. */
export class PolicyFolder {
  private constructor(
    readonly path: string,
    readonly config: PolicyConfig,
    /** What stood there when this was opened. */
    readonly before: PolicySnapshot | undefined,
    private readonly train: CsvLog,
    private readonly curve: CsvLog,
  ) {}

  /** Whether a training has saved anything to go on from. */
  static hasState(path: string): Promise<boolean> {
    return pathExists(getPolicyPath(path));
  }

  /**
   * Starts a training's files; or opens them to go on with it, and cuts logs back to where they stood.
   * @param before what stands there, of a training that has begun.
   * @throws UserError when the folder cannot be written, holds what would be lost, or files are not what they were.
   */
  static async open(path: string, config: PolicyConfig, before?: PolicySnapshot): Promise<PolicyFolder> {
    const { marks, iteration } = before ?? {};
    if (marks) {
      CsvLog.expectMarked(`${path}/train.csv`, marks.train, iteration);
      CsvLog.expectMarked(`${path}/curve.csv`, marks.curve);
    } else {
      CsvLog.expectUnbegun(`${path}/train.csv`, TRAIN);
      CsvLog.expectUnbegun(`${path}/curve.csv`, CURVE);
      await writePolicyConfig(path, config); // before the logs: from now on --resume goes on
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

  appendPage(row: Readonly<Record<"iteration" | "loss" | "q" | "reward" | "epsilon", number>>): void {
    this.train.append([row.iteration, row.loss, row.q, row.reward, row.epsilon]);
  }

  appendPoint(point: LearningCurvePoint): void {
    const { userSteps, standardError, clickRate, coverage } = point;
    this.curve.append([userSteps, point.return, standardError, clickRate, coverage]);
  }

  /** Writes the logs, and the snapshot as a whole. */
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

/** The points of a policy's curve so far; none where it cannot be read. */
export async function readCurve(path: string): Promise<LearningCurvePoint[]> {
  const text = await readText(`${path}/curve.csv`).catch(() => "");
  return text.split("\n").slice(1).flatMap((line): LearningCurvePoint[] => {
    const cells = line.split(",").map(Number);
    if (cells.length !== CURVE.length || !cells.every(Number.isFinite)) return [];
    const [userSteps = NaN, mean = NaN, standardError = NaN, clickRate = NaN, coverage = NaN] = cells;
    return [{ userSteps, return: mean, standardError, clickRate, coverage }];
  });
}

/** What a training tells. */
export interface PolicyCallbacks {
  onPage?(result: TrainingStepResult<PolicyStepMetrics>): void;
  onPoint?(point: LearningCurvePoint): void;
}

/** What came of a session. */
export interface PolicyResult {
  readonly iteration: number;
  readonly finished: boolean;
  /** What the weights of the curve's highest point bring other users, once it is finished: the curve's have chosen them. */
  readonly chosen: LearningCurvePoint | undefined;
}

/** A point of the curve from the figures of an evaluation. */
function curvePoint(userSteps: number, figures: SimulationMetrics): LearningCurvePoint {
  const { returns } = figures;
  const mean = meanReturn(figures);
  const squares = returns.reduce((sum, own) => sum + (own - mean) ** 2, 0);
  return {
    userSteps,
    return: mean,
    standardError: Math.sqrt(squares / Math.max(1, returns.length - 1) / returns.length),
    clickRate: computeClickRate(figures),
    coverage: computeCoverage(figures),
  };
}

/**
 * Trains to the end. Between two episodes, at each point of the curve, it is saved: from there a resumed training goes on bit
 * for bit. When `signal` is aborted the episode under way is finished and saved. The trainer has the best weights in the end.
 * @throws DivergedError; what was saved before stays.
 */
export async function runPolicy(
  trainer: PolicyTrainer,
  folder: PolicyFolder,
  events: PolicyCallbacks,
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
      folder.appendPage({ iteration, loss, q, reward, epsilon: schedule.epsilon(iteration) });
      events.onPage?.(result);
    },
  };
  const evaluate = async () => {
    const point = curvePoint(trainer.iteration * users, await trainer.evaluate());
    folder.appendPoint(point);
    events.onPoint?.(point);
    if (best && best.return >= point.return) return;
    best = { userSteps: point.userSteps, return: point.return, weights: await trainer.weights() };
  };
  if (!best) {
    await save(); // before the curve has a row: only with a snapshot is it known what a row belongs to
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
