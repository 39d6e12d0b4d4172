/** Options at random: they are refused in words, or make configs that a run would take. */

import fc from "fast-check";
import assert from "node:assert/strict";
import * as v from "../../src/schema.ts";
import { Command, type Option } from "commander";
import { parse } from "../../src/cli/options.ts";
import { parseReproduceOptions } from "../../src/tune/commands/reproduce_options.ts";
import { addTrainOptions, parseTrainOptions } from "../../src/run/commands/train_options.ts";
import { stagesConfigOf } from "../../src/run/options/train.ts";
import { tinyData } from "../small_models.ts";
import { modelConfigSchema } from "../../src/model/config.ts";
import { adversarialConfigSchema, trainingConfigSchema, trainingFields } from "../../src/train/config.ts";
import { UserError } from "../../src/user_error.ts";
import { nasty, runs } from "./damage.ts";
import { addPolicyTrainOptions, policyTrainingOf } from "../../src/policy/commands/train.ts";

const { options } = addTrainOptions(new Command());
const namesOf = (wanted: (option: Option) => boolean) =>
  options.filter(wanted).flatMap(({ long }) => long ?? []);
const FLAGS = namesOf(({ required }) => !required);
const VALUED = namesOf((option) => !option.isBoolean());

const value = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 70 }).map(String) },
  fc.double().map(String),
  fc.integer().map(String),
  nasty,
  fc.string({ maxLength: 6 }),
  fc.constantFrom("64-64", "8", ...options.flatMap(({ argChoices }) => argChoices ?? [])),
);
const option = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(fc.constantFrom(...VALUED), value).map(([name, text]) => [`${name}=${text}`]),
  },
  { weight: 2, arbitrary: fc.tuple(fc.constantFrom(...VALUED), value).map(([name, text]) => [name, text]) },
  fc.constantFrom(...FLAGS).map((name) => [name]),
  fc.string({ maxLength: 6 }).map((text) => [text]),
);
/** Help and version end the process, as they should. */
const asks = (arg: string) => /^(-[^-]*[hV]|--help|--version)/.test(arg);

Deno.test("no option of policy train, or of reproduce, takes a number that no training could have", () => {
  const numbers = [0, 1, 64, 2 ** 31, 2 ** 31 + 1, 2 ** 32, 2 ** 40 + 1, Number.MAX_SAFE_INTEGER, 1e300, -1];
  const refusedOr = (work: () => void, what: string) => {
    try {
      work();
    } catch (error) {
      assert.ok(error instanceof UserError, `${what}: ${error}`);
    }
  };
  for (const { long, argChoices } of addPolicyTrainOptions(new Command()).options) {
    for (const number of argChoices ? [] : numbers) {
      const command = addPolicyTrainOptions(new Command());
      refusedOr(() => policyTrainingOf(parse(command, [`${long}=${number}`])), `${long} ${number}`);
    }
  }
  for (const long of ["--iterations", "--adversarial"]) {
    for (const number of numbers) {
      refusedOr(() => {
        const options = parseReproduceOptions([`${long}=${number}`]);
        for (const value of [options.iterations, options.adversarial]) {
          v.parse(trainingFields.iterations.schema, value);
        }
      }, `${long} ${number}`);
    }
  }
});

Deno.test("options of train at random", () => {
  let taken = 0;
  fc.assert(
    fc.property(fc.array(option, { maxLength: 4 }), (options) => {
      const args = options.flat();
      fc.pre(!args.some(asks));
      try {
        const { options } = parseTrainOptions(args);
        taken++;
        if (options.resume !== undefined) return;
        const { seed, seeds } = options;
        assert.ok(seed + seeds - 1 < 2 ** 32);
        const { model, training, adversarial } = stagesConfigOf(options, tinyData);
        v.parse(modelConfigSchema, model);
        v.parse(trainingConfigSchema, training);
        v.parse(v.nullable(adversarialConfigSchema), adversarial);
      } catch (error) {
        assert.ok(error instanceof UserError, error instanceof Error ? error.stack : String(error));
      }
    }),
    runs(1500),
  );
  assert.ok(taken > 100, `only ${taken} were taken`);
});
