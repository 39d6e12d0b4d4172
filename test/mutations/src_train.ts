/** Faults in models, training, evaluation and runs. */

import { mutationsOf } from "./mutation.ts";

export const trainMutations = [
  ...mutationsOf("src/model/initial_weights.ts", { tests: ["initial_weights"] }, [
    ["Math.sqrt(6 / (fanIn + fanOut))", "Math.sqrt(6 / fanIn)"],
    ["Math.sqrt(6 / (fanIn + fanOut))", "Math.sqrt(3 / (fanIn + fanOut))"],
    ["limit * (2 * random.uniform() - 1)", "limit * random.uniform()"],
    ['randomStream(seed, "weights", prefix + name)', 'randomStream(seed, "weights", prefix)'],
    ['randomStream(seed, "weights", prefix + name)', 'randomStream(seed, "weights", name)'],
    ["sd * random.truncatedNormal()", "sd * random.normal()"],
  ]),
  ...mutationsOf("src/model/lstm_encoder.ts", { tests: ["initial_weights"] }, [
    ["glorotUniform((V ?? 0) + F + H, 4 * H)", "glorotUniform(F + H, 4 * H)"],
    ["glorotUniform((V ?? 0) + F + H, 4 * H)", "glorotUniform((V ?? 0) + F + H, H)"],
    ["glorotUniform((V ?? 0) + F + H, 4 * H)", "glorotUniform((V ?? 0) + F, 4 * H)"],
  ]),
  ...mutationsOf("src/model/generator.ts", { tests: ["initial_weights"] }, [
    ["    kernelSd: behaviourSd,\n", ""],
  ]),
  ...mutationsOf("src/model/pw_encoder.ts", { tests: ["initial_weights"] }, [
    ["INITIAL_WEIGHT = 0.0001", "INITIAL_WEIGHT = 0.001"],
  ]),
  ...mutationsOf("src/train/config.ts", { tests: ["iterations"], filter: "learning rate" }, [
    ["Math.floor((t - 1) / 100000)", "Math.floor((t - 1) / 1000)"],
    ["Math.floor((t - 1) / 100000)", "Math.floor(t / 100000)"],
    ["0.96 ** Math", "0.95 ** Math"],
  ]),
  ...mutationsOf("src/train/click_steps.ts", { tests: ["iterations"], filter: "/item dropout|batches:/" }, [
    ['randomStream(seed, "noise", t, ', 'randomStream(seed, "noise", '],
    ['randomStream(seed, "noise", t, ', 'randomStream(1, "noise", t, '],
    ["noise: noiseOf(schedule.seed, t, part)", "noise: noiseOf(schedule.seed, 1, part)"],
    ['randomStream(schedule.seed, "batch", t)', 'randomStream(schedule.seed, "batch")'],
    ['randomStream(schedule.seed, "batch", t)', 'randomStream(schedule.seed, "batch", t >> 1)'],
    ['randomStream(schedule.seed, "batch", t)', 'randomStream(1, "batch", t)'],
    ["(place) => trainUsers[place] ?? 0", "(place) => place"],
  ]),
  ...mutationsOf("src/train/click_steps.ts", { tests: ["cut_batches"], filter: "six steps in parts" }, [
    ["parts.length > 1 ? countedIn(log, users)", "parts.length > 9 ? countedIn(log, users)"],
    ["const offset = plan.offset(first + k, header);", "const offset = plan.offset(first + k);"],
  ]),
  ...mutationsOf("src/batch/cut.ts", { tests: ["cut_batches"], filter: "a cut keeps" }, [
    [
      "return { limit: whole, capacity: whole, parts: 1 };",
      "return { limit: whole, capacity: whole, parts: 2 };",
    ],
    ["rows + ownRows > limit.rows ||", ""],
    ["Math.max(single.events, Math.ceil(share * whole.events))", "Math.ceil(share * whole.events)"],
  ]),
  ...mutationsOf("src/batch/cut.ts", { tests: ["cut_batches"], filter: "events given" }, [
    ["eventGiven?.[e] ? 0 : 1", "1"],
  ]),
  ...mutationsOf("src/train/reward_watch.ts", { tests: ["reward_watch"] }, [
    ["this.#start ??= validation;", "this.#start = validation;"],
    ["Math.max(FALL * prec1, ERRORS * error)", "FALL * prec1"],
    ["    this.#told = true;\n", ""],
  ]),
  ...mutationsOf("src/train/trainer.ts", { tests: ["iterations"], filter: "learning rate" }, [
    ["learningRateAt(learningRate, t)", "learningRate"],
  ]),
  ...mutationsOf("src/train/trainer.ts", {
    tests: ["model"],
    filter: "ten training steps follow the f64 trajectory: dense, 3 units, 6, cpu",
  }, [
    ["learningRate: adamRate(rate, t),", "learningRate: adamRate(rate, 1),"],
  ]),
  ...mutationsOf(
    "src/train/game_steps.ts",
    { tests: ["iterations"], filter: "/adversarial|learning rate/" },
    [
      ["learningRateAt(generatorLearningRate, t)", "generatorLearningRate"],
      ["learningRateAt(rewardLearningRate, t)", "rewardLearningRate"],
    ],
  ),
  ...mutationsOf("src/train/game_steps.ts", {
    tests: ["adversarial"],
    filter: "/follow the f64 trajectory: LSTM, two steps each, dense, cpu|warm-up/",
  }, [
    ["t <= generatorWarmup", "t < generatorWarmup"],
    ["(t - 1) * steps + k + 1)", "(t - 1) * steps + 1)"],
    ["for (let k = 1; k < rewardSteps; k++) {", "for (let k = 2; k < rewardSteps; k++) {"],
  ]),
  ...mutationsOf("src/train/click_steps.ts", { tests: ["iterations"], filter: "batches:" }, [
    ["own ?? this.draw(after + 1 + k)", "own ?? this.draw(after + 1)"],
  ]),
  ...mutationsOf("src/train/batch_trainer.ts", { tests: ["adversarial"], filter: "early stopping" }, [
    ["iteration + patience) / validateEvery)", "iteration + patience) / validateEvery + 1)"],
  ]),
  ...mutationsOf("src/train/group.ts", { tests: ["model"], filter: "validation figures and snapshots" }, [
    ["t % validateEvery !== 0 ||", "(t + 1) % validateEvery !== 0 ||"],
  ]),
  ...mutationsOf("src/train/best_records.ts", {
    tests: ["model"],
    filter: "validation figures and snapshots",
  }, [
    ["prec2 > best.prec2.value", "prec2 < best.prec2.value"],
  ]),
  ...mutationsOf("src/train/sums.ts", { tests: ["figures"] }, [
    ["piPrec1: piPrec1 / clicks,", "piPrec1: piPrec2 / clicks,"],
    ["lossMin = NaN, piPrec1 = NaN, piPrec2 = NaN,", "lossMin = NaN, piPrec2 = NaN, piPrec1 = NaN,"],
    ["{ nll: nll / events, prec1", "{ nll: nll / clicks, prec1"],
    ["skipNoClick ? clicks : events", "skipNoClick ? events : clicks"],
    ["bestBy: 1,", "bestBy: 0,"],
  ]),
  ...mutationsOf("src/train/evaluation.ts", { tests: ["figures"] }, [
    ["if (page > 1) longer", "if (page > 2) longer"],
    ["if (page > 1) longer", "if (page > 0) longer"],
    ["          if (log.eventGiven?.[event]) continue;\n", ""],
    ["summary.means(longer.sums, longer.events)", "summary.means(longer.sums, all.events)"],
    ["        row += rows;\n", ""],
  ]),
  ...mutationsOf("src/run/stages.ts", { tests: ["figures"] }, [
    ['pi_prec1: "piPrec1"', 'pi_prec1: "piPrec2"'],
    ['prec1: "prec1", prec2: "prec2" },', 'prec1: "prec2", prec2: "prec1" },'],
  ]),
  ...mutationsOf("src/run/seeds_folder.ts", { tests: ["seeds_folder"] }, [
    ["training: { ...config.training, seed } };", "training: { ...config.training } };"],
    ["new Set(seeds).size === seeds.length", "new Set(seeds).size <= seeds.length"],
  ]),
  ...mutationsOf("src/run/commands/train.ts", {
    tests: ["train_command"],
    filter: "--seeds trains each seed",
  }, [
    ["(_, k) => options.seed + k)", "(_, k) => options.seed + 2 * k)"],
  ]),
  ...mutationsOf("src/run/commands/train_runs.ts", {
    tests: ["train_command"],
    filter: "--seeds trains each seed",
  }, [
    ["const config = configOfSeed(seeds, seed);", "const config = configOfSeed(seeds, seeds.seeds[0]!);"],
  ]),
  ...mutationsOf("src/run/csv_log.ts", { tests: ["csv_log"] }, [
    ["found.length >= bytes &&", "found.length > bytes &&"],
    ["        file.truncateSync(mark.bytes);\n", ""],
    ['Object.is(value, -0) ? "-0" : String(value)', "String(value)"],
    ["value.replaceAll('\"', '\"\"')", "value"],
  ]),
  ...mutationsOf("src/run/snapshot/safetensors.ts", { tests: ["safetensors"] }, [
    ["if (at < dataBytes) {", "if (at + 4 < dataBytes) {"],
    ["if (begin < at) throw", "if (end < at) throw"],
    ["const ALIGNMENT = 8;", "const ALIGNMENT = 4;"],
    ["fill(0x20)", "fill(0)"],
  ]),
];
