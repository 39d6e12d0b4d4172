/** `policy`: policies that choose slates. Each subcommand is a file of its own, and a line here. */

import { Command } from "commander";
import { version } from "../version.ts";
import { runMain } from "./fail.ts";
import { parseAndRun } from "./options.ts";
import { policyTrainCommand } from "./policy_train.ts";

/** Does what it says; returns the exit code. */
export type PolicyAction = (run: () => Promise<number>) => Promise<void>;

/** The subcommands. Each ends by `action`. */
const subcommands: readonly ((action: PolicyAction) => Command)[] = [policyTrainCommand];

async function main(): Promise<number> {
  let code = 0;
  const action: PolicyAction = async (run) => {
    code = await run();
  };
  const command = new Command("deno task policy")
    .description("Trains policies that choose slates on simulated users.")
    .version(version)
    .addHelpText(
      "after",
      "\nExamples:\n" +
        "  deno task policy train --shop restless --truth --algorithm gdqn --save-dir runs/gdqn\n" +
        "  deno task policy train --model runs/a --algorithm cdqn --slate 5 --save-dir runs/cdqn\n" +
        "  deno task policy train --resume runs/cdqn\n" +
        "\nA subcommand's options: deno task policy train --help. The guide is src/policy/README.md.",
    );
  for (const subcommand of subcommands) command.addCommand(subcommand(action));
  await parseAndRun(command, Deno.args);
  return code;
}

await runMain(main);
