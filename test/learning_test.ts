/** That it learns: as much of the demo's truth as is claimed, and on the paper's data what an independent program found. */

import assert from "node:assert/strict";
import { usersOf } from "../src/data/click_log.ts";
import type { ClickLog } from "../src/data/click_log.ts";
import { attainable, makeDemoShop } from "../src/data/demo_shop.ts";
import { readPaperFile } from "../src/data/paper_file.ts";
import type { Gpu } from "../src/gpu/device.ts";
import { defaultModel } from "../src/model/config.ts";
import { UserModel } from "../src/model/user_model.ts";
import type { Criterion } from "../src/train/best_keeper.ts";
import { defaultTraining } from "../src/train/config.ts";
import { Evaluation, type EvaluationFigures } from "../src/train/evaluation.ts";
import { Trainer } from "../src/train/trainer.ts";
import { withGpu } from "./op_check.ts";
import { realData } from "./real_data.ts";

/** Trains with the defaults. */
async function train(gpu: Gpu, log: ClickLog) {
  const model = new UserModel(gpu, log.items, defaultModel, { seed: 1 });
  const trainer = await Trainer.create(model, log, defaultTraining);
  const prec1: number[] = [];
  await trainer.run(defaultTraining.iterations, { onStep: (r) => prec1.push(r.prec1) });
  const evaluation = await Evaluation.ofModel(model, trainer.deviceLog, log, usersOf(log, "test"), 0);
  const test: Partial<Record<Criterion, EvaluationFigures>> = {};
  for (const criterion of ["loss", "prec1", "prec2"] as const) {
    model.setWeights(await trainer.snapshot(criterion));
    test[criterion] = await evaluation.figures();
  }
  const { best } = trainer;
  for (const part of [evaluation, trainer, model]) part.destroy();
  const lastPrec1 = prec1.slice(-100).reduce((sum, p) => sum + p, 0) / 100;
  return { test, best, lastPrec1 };
}

Deno.test("demo shop: 97 % of the attainable prec@1, log-likelihood within 3 % of the truth's", () =>
  withGpu(undefined, async (gpu) => {
    const { log, truth } = makeDemoShop(1);
    const { test } = await train(gpu, log);
    const best = attainable(log, truth, usersOf(log, "test"));
    const share = (test.prec1?.prec1 ?? NaN) / best.prec1;
    assert.ok(share >= 0.97, `${share} of the attainable prec@1`);
    const loss = (test.loss?.nll ?? NaN) / best.nll;
    assert.ok(loss <= 1.03, `${loss} times the truth's own loss`);
  }));

/** Mean over five seeds of the reference; one seed may be off by three of its standard deviations and our spread. */
const references = [
  { file: "yelp.txt", nll: [0.8747, 0.07], prec1: [0.7332, 0.05], prec2: [0.8709, 0.04], last: [0.99, 1] },
  { file: "rsc.txt", nll: [0.9761, 0.04], prec1: [0.5513, 0.04], prec2: [0.7785, 0.04], last: [0.91, 0.97] },
] as const;
for (const { file, nll, prec1, prec2, last } of references) {
  const path = realData(file);
  Deno.test({
    name: `${file}: test figures agree with the reference`,
    ignore: path === undefined,
    fn: () =>
      withGpu(undefined, async (gpu) => {
        const { test, best, lastPrec1 } = await train(gpu, readPaperFile(path ?? ""));
        const near = (what: string, found: number | undefined, [expected, by]: readonly [number, number]) =>
          assert.ok(
            Math.abs((found ?? NaN) - expected) <= by,
            `${what}: expected ${expected} +- ${by}, got ${found}`,
          );
        near("loss", test.loss?.nll, nll);
        near("prec@1", test.prec1?.prec1, prec1);
        near("prec@2", test.prec2?.prec2, prec2);
        const { iteration } = best.loss;
        assert.ok(iteration >= 80 && iteration <= 170, `best loss at iteration ${iteration}`);
        assert.ok(lastPrec1 >= last[0] && lastPrec1 <= last[1], `train prec@1 at the end: ${lastPrec1}`);
      }),
  });
}
