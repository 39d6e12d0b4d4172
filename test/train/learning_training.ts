/**
 * Trains on a file in the paper's layout, and prints what came of it: a process for test/train/learning_test.ts, as the driver
 * optimises shaders for a whole process or not at all.
 *
 *   deno run test/train/learning_training.ts FILE CASES
 */

import { usersOf } from "../../src/data/click_log.ts";
import type { ClickLog } from "../../src/data/click_log.ts";
import { readPaperFile } from "../../src/data/sets/paper_file.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import type { ModelConfig } from "../../src/model/config.ts";
import { UserModel } from "../../src/model/user_model.ts";
import { AdversarialTrainer } from "../../src/train/adversarial_trainer.ts";
import { type BestRecords, criteria, type Criterion } from "../../src/train/best_records.ts";
import { type AdversarialConfig, defaultAdversarial, defaultTraining } from "../../src/train/config.ts";
import { Evaluation, type EvaluationFigures } from "../../src/train/evaluation.ts";
import type { GameFigures, ValidationResult } from "../../src/train/results.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { withGpu } from "../op_check.ts";

/** A training with the defaults, and games that start from what was the best by prec@1 after so many iterations. */
export interface Training {
  readonly model: ModelConfig;
  readonly iterations: number;
  readonly games?: { readonly after: number; readonly generators: readonly Generator[] };
}
export type Generator = AdversarialConfig["generator"];

/** What a training came to; of what failed, only why. */
export type Trained = Finished | { readonly failure: string };
interface Finished {
  /** Of the best snapshots. */
  readonly test: Readonly<Record<Criterion, EvaluationFigures>>;
  readonly best: BestRecords;
  /** prec@1 on the train users, mean of the last 100 iterations. */
  readonly lastPrec1: number;
  readonly games: Partial<Record<Generator, readonly ValidationResult<GameFigures>[]>>;
}

async function train(
  gpu: Gpu,
  log: ClickLog,
  { model: config, iterations, games }: Training,
): Promise<Finished> {
  const model = new UserModel(gpu, log.items, config, { seed: 1 });
  const trainer = await Trainer.create(model, log, defaultTraining);
  const prec1: number[] = [];
  const run = (count: number) => trainer.run(count, { onStep: (r) => prec1.push(r.prec1) });
  await run(games?.after ?? 0);
  const start = games && await trainer.snapshot("prec1");
  await run(iterations - (games?.after ?? 0));
  const evaluation = await Evaluation.ofModel(model, trainer.deviceLog, log, usersOf(log, "test"), 0);
  const test: Partial<Record<Criterion, EvaluationFigures>> = {};
  for (const criterion of criteria) {
    model.setWeights(await trainer.snapshot(criterion));
    test[criterion] = await evaluation.figures();
  }
  const { best } = trainer;
  for (const part of [evaluation, trainer]) part.destroy();
  const played: Partial<Record<Generator, ValidationResult<GameFigures>[]>> = {};
  for (const generator of games?.generators ?? []) {
    if (start) model.setWeights(start);
    played[generator] = await play(model, log, generator);
  }
  model.destroy();
  const lastPrec1 = prec1.slice(-100).reduce((sum, p) => sum + p, 0) / 100;
  return { test: test as Finished["test"], best, lastPrec1, games: played };
}

async function play(model: UserModel, log: ClickLog, generator: Generator) {
  const config = { ...defaultAdversarial, generator, iterations: 800 };
  const trainer = await AdversarialTrainer.create(model, log, config, { seed: 1, evaluationShards: 0 });
  const validations: ValidationResult<GameFigures>[] = [];
  await trainer.run(800, { onValidation: (v) => validations.push(v) });
  trainer.destroy();
  return validations;
}

if (import.meta.main) {
  const [file = "", cases = "[]"] = Deno.args;
  const log = readPaperFile(file);
  const trained: Trained[] = [];
  for (const training of JSON.parse(cases)) {
    const one: Promise<Trained> = withGpu(undefined, (gpu) => train(gpu, log, training));
    trained.push(
      await one.catch((error: unknown) => ({
        failure: error instanceof Error ? error.stack ?? error.message : String(error),
      })),
    );
  }
  console.log(JSON.stringify(trained));
}
