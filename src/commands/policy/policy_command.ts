/** `policy`: trains, compares and evaluates policies that choose slates. Each subcommand has its own file. */

import { runMain } from "../../cli/run_main.ts";
import { createCommand, parseAndRun } from "../../cli/command_options.ts";
import { createPolicyCompareCommand } from "./policy_compare.ts";
import { createPolicyEvaluateCommand } from "./policy_evaluate.ts";
import { createPolicyRankCommand } from "./policy_rank.ts";
import { createPolicyTrainCommand } from "./policy_train.ts";

async function main(): Promise<number> {
  const command = createCommand(
    "policy",
    "Trains, compares and evaluates policies that choose slates for users, and prints their slates.",
  )
    .addCommand(createPolicyTrainCommand())
    .addCommand(createPolicyCompareCommand())
    .addCommand(createPolicyEvaluateCommand())
    .addCommand(createPolicyRankCommand())
    .addHelpText(
      "after",
      "\nExamples:\n" +
        "  deno task -q policy train --shop restless --truth --algorithm gdqn --save-dir runs/gdqn\n" +
        "  deno task -q policy train --model runs/a --algorithm cdqn --slate 5 --save-dir runs/cdqn\n" +
        "  deno task -q policy train --resume runs/cdqn\n" +
        "  deno task -q policy compare runs/cdqn runs/gdqn --test-model runs/b --out compared.html\n" +
        "  deno task -q policy evaluate --log runs/data/drawn --policy runs/gdqn --explore plackett-luce:0.5\n" +
        "  deno task -q policy rank runs/cdqn --history 3,141,59\n" +
        "\nOptions of a subcommand: deno task -q policy train --help. Guide: src/policy/README.md.",
    );
  Deno.exitCode = 0; // an earlier command in this process may have set another code
  await parseAndRun(command, Deno.args);
  return Deno.exitCode;
}

await runMain(main);
