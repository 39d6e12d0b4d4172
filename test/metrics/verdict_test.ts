import assert from "node:assert/strict";
import * as v from "../../src/schema.ts";
import type { BaselineName } from "../../src/metrics/baselines/baseline_names.ts";
import {
  formatDifferencesTable,
  formatResultTable,
  formatSeedsTable,
} from "../../src/commands/test_table.ts";
import type { Interval } from "../../src/metrics/bootstrap.ts";
import type { MetricDetails, MetricGap } from "../../src/metrics/test_result.ts";
import { defaultModel } from "../../src/model/model_config.ts";
import { type RunConfig, runConfigSchema } from "../../src/run/run_config.ts";
import { adversarialStage, shannonStage } from "../../src/run/stages.ts";
import type { BaselineMetricsResult, BaselineResults, SnapshotResult } from "../../src/run/tested_users.ts";
import { describeRanking, describeTest } from "../../src/run/test_stage.ts";
import { defaultTraining, type TrainingConfig } from "../../src/train/training_config.ts";
import { makeConfig } from "../report/report_folders.ts";

const by = (value: number, half = 0.01): MetricGap => ({ value, interval: [value - half, value + half] });

function details(prec1: number, more: MetricDetails["metrics"] = {}): MetricDetails {
  const interval: Interval = [prec1 - 0.02, prec1 + 0.02];
  return {
    metrics: { prec1, prec2: 0.7, longerPrec1: prec1, ndcg: 0.8, auc: 0.75, ...more },
    intervals: { prec1: interval, prec2: interval, ...(more.piPrec1 ? { piPrec1: interval } : {}) },
    slices: {},
  };
}

function snapshot(
  name: SnapshotResult["snapshot"],
  iteration: number,
  above: Partial<Record<BaselineName, number>>,
  more: Partial<SnapshotResult> = {},
): SnapshotResult {
  const against = Object.fromEntries(
    Object.entries(above).map(([rival, value]) => [rival, { prec1: by(value), nll: by(-0.5) }]),
  );
  const figures = { nll: 1.4, prec1: 0.5, prec2: 0.7 };
  return {
    ...{ snapshot: name, iteration, users: 270, ...figures, longerPages: figures, events: 100 },
    ...{ details: details(0.5, { nll: 1.4 }), against, ...more },
  };
}

const ranking = (prec1: number, setting?: string): BaselineMetricsResult => ({
  ...{ prec1, prec2: 0.6, longerPages: { prec1, prec2: 0.6 }, details: details(prec1, { prec2: 0.6 }) },
  ...(setting ? { setting } : {}),
});
const baselines: BaselineResults = {
  random: ranking(0.1),
  clickRate: ranking(0.3),
  lastClick: ranking(0.31, "the last 3 clicks"),
  categoryRate: null,
  itemKnn: ranking(0.35, "the last click"),
  logit: null,
  attainable: null,
};

function config(training: Partial<TrainingConfig> = {}): RunConfig {
  return v.parse(runConfigSchema, { ...makeConfig({}), training: { ...defaultTraining, ...training } });
}

function verdict(test: SnapshotResult[], training: Partial<TrainingConfig> = {}, iterations = 2000): string {
  return describeTest(test, shannonStage, config(training), iterations).join("\n");
}

const ALL = { random: 0.4, clickRate: 0.2, lastClick: 0.19, itemKnn: 0.15 };

Deno.test("a model that beats all baselines names the closest one", () => {
  const worse = { ...ALL, itemKnn: -0.15 };
  const found = verdict([snapshot("best-loss", 900, ALL), snapshot("best-prec1", 1000, worse)]);
  assert.match(
    found,
    /^best-loss is better than every baseline\. Best baseline \(item-kNN\): prec@1 \+0\.150, 95 % CI \+0\.140 /,
  );
});

Deno.test("a model that does not beat every baseline reports it and what to try", () => {
  const found = verdict([snapshot("best-loss", 1000, { ...ALL, itemKnn: -0.02, lastClick: -0.003 })]);
  assert.match(
    found,
    /^best-loss is worse than the best baseline \(item-kNN\): prec@1 -0\.020, 95 % CI -0\.030 to -0\.010, 270/m,
  );
  assert.match(found, /^No significant difference between best-loss and last click: prec@1 -0\.003/m);
  assert.match(
    found,
    /rank by the best baseline \(item-kNN: --baseline item-knn of [^)]*\)\.\n.*deno task tune.*\nMore users/,
  );
  assert.doesNotMatch(found, /click rate|^best-loss is better than every/m);
  const worst = verdict([snapshot("best-loss", 1000, { random: -0.1, clickRate: -0.2, itemKnn: -0.3 })]);
  assert.match(worst, /item-kNN\): prec@1 -0\.300, .*\. Also worse than: click rate, random\.$/m);
  const zero = { value: 0, interval: [0, 0] as const };
  const own = snapshot("best-loss", 0, ALL);
  const equal = verdict([{ ...own, against: { ...own.against, logit: { prec1: zero, nll: zero } } }]);
  assert.match(equal, /^best-loss ranks exactly like the best baseline \(logit on counts\)\.$/m);
  assert.match(
    equal,
    /^The loss of best-loss \([\d.]+\) is that of the best baseline \(logit on counts\)\.$/m,
  );
  assert.doesNotMatch(equal, /rank by the best baseline/);
  const few = snapshot("last", 1000, {});
  const against = { clickRate: { prec1: { value: 1, interval: null } } };
  assert.match(verdict([{ ...few, against }]), /Too few users/);
});

Deno.test("the generator is judged if it ranks better than the reward", () => {
  const reward = snapshot("best-prec1", 100, ALL);
  const against = Object.fromEntries(
    Object.entries(reward.against).map(([name, found]) => [name, { ...found, piPrec1: by(-0.1) }]),
  );
  const game = { ...reward, details: details(0.5, { piPrec1: 0.6 }), piPrec1: 0.6, piPrec2: 0.8, against };
  const found = describeTest([game], adversarialStage, config(), 5000);
  assert.match(found.join("\n"), /^The generator of best-prec1 is worse than /);
  const worse = { ...game, details: details(0.5, { piPrec1: 0.4 }) };
  assert.match(describeTest([worse], adversarialStage, config(), 5000)[0] ?? "", /^best-prec1/);
});

Deno.test("a best validation at the start or end is reported with what to try", () => {
  const best = (
    iteration: number,
  ) => [snapshot("best-loss", iteration, ALL), snapshot("best-prec1", 900, ALL)];
  assert.match(verdict(best(1990)), /best near the end.*1,990 of 2,000.*--resume with --iterations 4000/);
  assert.match(
    verdict(best(40)),
    /best at iteration 40 of 2,000.*overfits early.*--weight-decay.*\n.*deno task tune/,
  );
  assert.doesNotMatch(verdict(best(1000)), /iteration/);
  const counted = {
    ...config(),
    model: { ...defaultModel, counts: { fields: [], neighbours: 0, latest: 1 } },
  };
  const kept = describeTest(best(0), shannonStage, counted, 2000).join("\n");
  assert.match(kept, /best-loss is the logit on counts/);
  assert.doesNotMatch(kept, /overfits/);
  // A model that is the baseline has nothing to gain from the baseline.
  const none = by(0, 0);
  const [same] = best(0).map((one) => ({ ...one, against: { logit: { prec1: none, nll: none } } }));
  assert.doesNotMatch(describeRanking([same!], undefined, { isChoice: true }).join(), /--baseline/);
  // On later data the baselines are other models than those of --baseline.
  const tied = (nll: number) => [
    snapshot("best-loss", 900, {}, { against: { itemKnn: { prec1: by(0), nll: by(nll) } } }),
  ];
  const isChoice = true;
  const ranking = (nll: number, options = {}, judged?: SnapshotResult["snapshot"]) =>
    describeRanking(tied(nll), judged, { isChoice, ...options }).join();
  assert.match(ranking(0), /--baseline item-knn/);
  assert.doesNotMatch(ranking(0, { isTrainingData: false }), /--baseline/);
  // A baseline whose loss is worse than the judged snapshot's is not advised, if losses are comparable.
  assert.doesNotMatch(ranking(-0.5), /--baseline/);
  assert.match(ranking(-0.5, { isChoice: false }), /--baseline item-knn/);
  const byPrec1 = { ...snapshot("best-prec1", 900, {}), against: tied(0)[0]!.against };
  const both = [...tied(-0.5), byPrec1];
  assert.match(describeRanking(both, "best-prec1", { isChoice }).join(), /best-prec1 .*--baseline item-knn/);
  assert.doesNotMatch(describeRanking(both, "best-loss", { isChoice }).join(), /best-prec1|--baseline/);
  assert.doesNotMatch(verdict(best(10), {}, 12), /iteration/);
});

Deno.test("probabilities worse than a baseline's are reported, and uncertain ones, too", () => {
  const best = snapshot("best-loss", 900, ALL);
  const words = (loss: MetricGap) =>
    verdict([{ ...best, against: { ...best.against, random: { prec1: by(0.4), nll: loss } } }]);
  assert.match(
    words(by(0.0765)),
    /loss of best-loss \(1\.4000\) is worse than the best baseline \(random\): loss \+0\.07\d, 95 % CI \+0\.067 to/,
  );
  assert.match(
    words(by(0.005)),
    /^No significant difference between the loss of best-loss \(1\.4000\) and the best baseline \(random\): /m,
  );
  assert.match(words(by(-0.02)), /The loss of best-loss \(1\.4000\) is better than every baseline\./);
  assert.doesNotMatch(words({ value: 1, interval: null }), /loss of/, "too few users to say");
});

Deno.test("the table has intervals, all baselines, and a dash for missing ones", () => {
  const lines = formatResultTable([snapshot("best-loss", 900, ALL)], baselines).split("\n");
  assert.match(lines[0] ?? "", /^ +iteration +loss +prec@1 +95 % +prec@2 +95 % +NDCG +AUC$/);
  assert.match(lines[2] ?? "", /^best-loss +900 +1\.4000 +0\.5000 +\.480-\.520 +0\.7000/);
  assert.deepEqual(
    lines.slice(3, 8).map((line) => line.split("  ")[0]),
    ["random", "click rate", "last click", "category rate", "item-kNN"],
  );
  assert.match(lines[6] ?? "", /^category rate +- +- +- +- +- +- +-$/);
  assert.ok(lines.every((line) => line.length <= 100), lines.join("\n"));
  const starred = [
    snapshot("best-loss", 900, ALL, { details: details(0.5, { nll: 1.4, longerPrec1: 0.45 }) }),
  ];
  assert.match(
    formatResultTable(starred, baselines),
    /prec@1\*[^]*0\.4500[^]*\*: single-item pages excluded/,
  );
  const narrow = formatResultTable(starred, baselines, "all", 60).split("\n").slice(0, 9);
  assert.ok(narrow.every((line) => line.length <= 60), narrow.join("\n"));
  assert.match(formatResultTable(starred, baselines, "all"), /^95 %: bootstrap interval over all users$/m);
  const seeds = formatSeedsTable([starred, starred], baselines);
  assert.match(seeds, /^best-loss +900\.\.900 +1\.4000 \+- 0\.0000/m);
  assert.match(seeds, /^item-kNN +- +0\.3500 +0\.6000$/m);
});

Deno.test("differences of two snapshots name the better one, by lower loss", () => {
  const differences = {
    ...{ nll: by(-0.1), prec1: by(-0.1), prec2: by(0.001), longerPrec1: by(-0.1) },
    auc: { value: 1, interval: null },
  };
  const text = formatDifferencesTable(differences);
  assert.match(text, /^loss +-0\.1000 +-0\.1100 to -0\.0900 +better$/m);
  assert.match(text, /^prec@1 +-0\.1000 .* worse$/m);
  assert.match(text, /^prec@2 +\+0\.0010 .* no significant difference$/m);
  assert.match(text, /^AUC +\+1\.0000 +- +no significant difference$/m);
  assert.doesNotMatch(text, /\*/, "no page has a single item");
  const starred = formatDifferencesTable({ ...differences, longerPrec1: by(-0.2) });
  assert.match(starred, /^prec@1\* +-0\.2000 [^]*\n\*: single-item pages excluded$/m);
});
