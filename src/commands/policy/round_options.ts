/** The options of `policy round`. */

import { Command } from "commander";
import * as v from "../../schema.ts";
import { readJson, writeJson } from "../../files/json_file.ts";
import { expectEmpty } from "../../files/owned_folder.ts";
import { ofThatShop, shopOption } from "../simulate/options.ts";
import { UserError } from "../../user_error.ts";
import { version } from "../../version.ts";
import { OUT_FOLDER } from "../../cli/arguments.ts";
import { memoryRowsOption } from "../../cli/open_data.ts";
import { folder, LARGEST_SEED, path, wholeNumber } from "../../cli/options.ts";
import { ROUND_FOLDER } from "../../cli/default_paths.ts";

/** What all rounds in a folder have in common. */
const settingsSchema = v.object({
  model: v.string(),
  policy: v.string(),
  log: v.optional(v.string()),
  shop: v.optional(v.string()),
  dataSeed: v.optional(v.wholeNumber()),
  users: v.whole(7),
  testUsers: v.whole(2),
  seed: v.wholeNumber(),
});
const roundSchema = v.object({
  ...{ clickgan: v.string(), command: v.array(v.string()) },
  ...settingsSchema.entries,
});

export interface RoundOptions extends v.InferOutput<typeof settingsSchema> {
  truth: boolean;
  rounds: number;
  out: string;
  memoryRows: number;
  json: boolean;
}

export function roundCommand(): Command {
  return new Command("round")
    .description(
      "Closes the gap between what a policy's model promises and what users do: merges the model's log with pages that the policy " +
        "showed, trains the model anew, plans anew on it, and says how far promises were off. With the truth of a made-up shop its " +
        "users see the pages, round after round. Stopped, it goes on with the same command.",
    )
    .requiredOption("--model <run>", "the run of the model that the policy was trained on", path)
    .requiredOption("--policy <folder>", "the folder that policy train wrote", folder)
    .option(
      "--log <path>",
      "pages that the policy showed, as --data of train; prepare them with --like",
      path,
    )
    .addOption(shopOption("the made-up shop that the model's log is of"))
    .option("--truth", "with --shop: the shop's own users see the policy's pages", false)
    .addOption(ofThatShop())
    .option("--rounds <n>", "with --truth: how many rounds", wholeNumber(1, 1000), 1)
    .option(
      "--users <n>",
      "with --truth: users of a round, of whom 70 % are learned from",
      wholeNumber(7, 2 ** 20),
      500,
    )
    .option(
      "--test-users <n>",
      "simulated users that a promise is of; with --truth also users of the shop who judge each policy, and are not learned from",
      wholeNumber(2, 2 ** 20),
      10_000,
    )
    .option("--seed <n>", "of users and what they draw", wholeNumber(0, LARGEST_SEED), 1)
    .option(OUT_FOLDER, "where the rounds are written", folder, ROUND_FOLDER)
    .addOption(memoryRowsOption())
    .option("--json", "print the figures as JSON", false)
    .addHelpText(
      "after",
      "\nExamples:\n" +
        "  deno task policy round --model runs/a --policy runs/plan --log runs/data/shown --out runs/round\n" +
        "  deno task policy round --model runs/a --policy runs/plan --shop restless --truth --rounds 3\n" +
        "\nEach round has a folder of its own: log (with --truth), data (all pages so far), model, policy.",
    );
}

/** @throws UserError where it is not said who sees the policy's pages, or said twice. */
export function checkRound({ log, shop, truth, rounds }: RoundOptions): void {
  if ((log === undefined) !== truth || truth !== (shop !== undefined)) {
    throw new UserError(
      "Expected --log, pages that the policy showed, or --shop and --truth, whose users see them: one of the two.",
    );
  }
  if (rounds > 1 && !truth) {
    throw new UserError(
      "Expected --rounds with --truth: of --log there is one. For the next round show the new policy's pages to users, and " +
        "begin with the model and the policy of this one.",
    );
  }
}

export const ROUNDS = { what: "the rounds", option: "--out" };

/** @returns whether rounds have begun there. @throws UserError for a folder of something else, or of other settings. */
export async function haveBegun({ out, ...options }: RoundOptions): Promise<boolean> {
  const before = await readJson(`${out}/round.json`, roundSchema);
  if (!before) {
    expectEmpty(out, ROUNDS);
    return false;
  }
  for (const name of v.keyof(settingsSchema).options) {
    if (before[name] === options[name]) continue;
    throw new UserError(
      `Expected the same settings as those of the rounds in ${out}, but ${name} is ` +
        `${before[name] ?? "not given"} there and ${options[name] ?? "not given"} here. Choose another ` +
        "--out.",
    );
  }
  return true;
}

export async function writeRounds({ out, ...options }: RoundOptions): Promise<void> {
  await writeJson(
    `${out}/round.json`,
    v.parse(roundSchema, { ...options, clickgan: version, command: Deno.args }),
  );
}
