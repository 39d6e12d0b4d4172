/** Options that are not understood, or make no sense together, are refused in words. */

import assert from "node:assert/strict";
import { parseTrainOptions } from "../../src/run/commands/train_options.ts";
import { stagesConfigOf } from "../../src/run/options/train.ts";
import { parseReproduceOptions } from "../../src/tune/commands/reproduce_options.ts";
import { parseTuneOptions } from "../../src/tune/commands/tune_options.ts";
import { words } from "../command_check.ts";
import { userError } from "../run/folder_check.ts";
import { tinyData } from "../small_models.ts";

type Cases = readonly [line: string, says: RegExp][];

const TRAIN: Cases = [
  ["--dims 64-0", /Expected 1 to 8 sizes of 1\.\.4096[^]*got "64-0"/],
  ["--dims 64-x", /got "64-x"/],
  ["--dims=", /got ""/],
  ["--batch-size 0", /whole number of at least 1, got "0"/],
  ["--iterations 1.5", /whole number.*got "1\.5"/],
  ["--learning-rate -1", /a number above 0/],
  ["--learning-rate fast", /got "fast"/],
  ["--seed -1", /whole number/],
  ["yelp.txt", /too many arguments/],
  ["--data", /argument missing/],
  ["--iterations 5 --validate-every 6", /--validate-every of at most the 5/],
  ["--iterations 20 --settle-iterations 21", /--settle-iterations of at most the 20/],
  ["--no-pretrain", /Expected --adversarial <n> with --no-pretrain, got none/],
  ["--reward-steps 0", /Expected --adversarial <n> with --reward-steps, got none/],
  ["--adversarial 10", /Expected --adversarial-validate-every of at most the 10 iterations/],
  ["--adversarial 200 --reward-steps -1", /Expected a whole number in 0\.\.32, got "-1"/],
  ["--adversarial 200 --generator-steps 0", /Expected a whole number in 1\.\.32, got "0"/],
  ["--adversarial 200 --behaviour-dims 8x8", /such as 64-64 or 32-64-32, got "8x8"/],
  ["--adversarial 200 --generator best", /Allowed choices are network, exact/],
  ["--encoder gru", /Allowed choices are lstm, pw/],
  ["--eta 0", /Expected a number above 0 and at most 1000, got "0"/],
  ["--item-dropout 1", /Expected a number from 0 to 0\.99, got "1"/],
  ["--weight-decay -1", /Expected a number from 0 to 1000, got "-1"/],
  ["--adam sparse", /Allowed choices are dense, row-sparse/],
  ["--early-stopping accuracy", /Allowed choices are loss, prec1, prec2/],
  ["--pw-lags 65", /Expected a whole number in 1\.\.64, got "65"/],
];

const TUNE: Cases = [
  ["--budget 0", /a number of minutes above 0/],
  ["--budget soon", /a number of minutes above 0/],
  ["--budget=", /a number of minutes above 0/],
  ["--criterion auc", /Allowed choices are loss, prec1, prec2/],
  ["--resume x", /unknown option '--resume'/],
  ["--adversarial 5", /unknown option '--adversarial'/],
  ["--iterations 5", /--validate-every of at most the 5 iterations/],
  ["runs/x", /too many arguments/],
];

const REPRODUCE: Cases = [
  ["--models baseline", /Expected --models among baseline-64-64, .*, got "baseline"/],
  ["--seeds 0", /Expected a whole number in 1\.\.1000, got "0"/],
];

const COMMANDS: Readonly<Record<string, [read: (args: string[]) => unknown, cases: Cases]>> = {
  train: [(args) => stagesConfigOf(parseTrainOptions(args).options, tinyData), TRAIN],
  tune: [parseTuneOptions, TUNE],
  reproduce: [parseReproduceOptions, REPRODUCE],
};

for (const [command, [read, cases]] of Object.entries(COMMANDS)) {
  Deno.test(`${command} refuses options that it does not understand, or that make no sense together`, () => {
    for (const [line, says] of cases) assert.throws(() => read(words(line)), userError(says), line);
  });
}
