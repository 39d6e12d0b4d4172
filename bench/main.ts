/**
 * The bench: `deno task bench [adapter|kernels|steps|growth]...`, and others by their names. What it measures and how to read
 * it is in bench/README.md.
 */

import type { Command } from "commander";
import { runMain } from "../src/cli/fail.ts";
import { parseAndRun } from "../src/cli/options.ts";
import { adaptersCommand } from "./adapters.ts";
import { benchCommand } from "./bench_command.ts";
import { demoCommand } from "./demo.ts";
import { labCommand } from "./lab.ts";
import { labSurveyCommand } from "./lab_survey.ts";
import { ladderCommand } from "./ladder.ts";
import { simulateCommand } from "./simulate.ts";

/** Benches with options of their own, beside the parts of the default one. */
const others: readonly Command[] = [
  ladderCommand(),
  demoCommand(),
  simulateCommand(),
  adaptersCommand(),
  labCommand(),
  labSurveyCommand(),
];

await runMain(async () => {
  // An option behind the name of a bench is that bench's own.
  const command = benchCommand().enablePositionalOptions();
  for (const other of others) command.addCommand(other);
  await parseAndRun(command, Deno.args);
});
