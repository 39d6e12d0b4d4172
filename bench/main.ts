/** `deno task bench [STUDY]`: runs a study. See bench/README.md and the pages that it links. */

import type { Command } from "commander";
import { runMain } from "../src/cli/run_main.ts";
import { parseAndRun } from "../src/cli/command_options.ts";
import { ensureAdapter } from "../src/cli/setup.ts";
import { formatTable, getOutputWidth } from "../src/cli/table.ts";

interface Study {
  readonly about: string;
  readonly adapter: boolean;
  /** True if the study turns off the driver's cache of compiled kernels. */
  readonly cold: boolean;
}

const none = { adapter: false, cold: false };
const warm = { adapter: true, cold: false };
const cold = { adapter: true, cold: true };

/** Studies by name. A study's file NAME.ts exports `createCommand()`, and is loaded when the study runs. */
export const studies: Readonly<Record<string, Study>> = {
  ladder: { ...cold, about: "times kernels from the naive to the shipped version, one new idea per step" },
  compiled: { ...cold, about: "compiles every kernel for GPUs; needs no GPU" },
  peers: { ...warm, about: "times a training step of clickgan and other libraries on this machine" },
  simulate: { ...warm, about: "times pages of simulated users, compared with PyTorch" },
  trials: { ...warm, about: "compares the defaults of train with baselines, also LightGBM, on many logs" },
  logs: { ...none, about: "writes synthetic logs, and prepares them" },
};

const USUAL = "profile";

export async function loadCommand(name: string): Promise<Command> {
  const file = Object.hasOwn(studies, name) ? name : USUAL;
  const { createCommand }: { createCommand(): Command } = await import(
    new URL(`${file}.ts`, import.meta.url).href
  );
  return createCommand();
}

/** Runs the study that the first argument names, or else `profile`. @throws UserError for bad arguments */
export async function runBenchCommand(args: readonly string[]): Promise<void> {
  const [name = ""] = args;
  const named = Object.hasOwn(studies, name) ? studies[name] : undefined;
  const { adapter, cold: isCold } = named ?? cold;
  const own = await loadCommand(name);
  if (!named) own.addHelpText("after", `\nOther studies (deno task -q bench STUDY --help):\n${listed()}`);
  own.hook("preAction", async () => {
    if (adapter) await ensureAdapter();
    // Mesa reads this variable when a GPU device is opened.
    if (isCold && !Deno.env.has(SHADER_CACHE)) Deno.env.set(SHADER_CACHE, "true");
  });
  await parseAndRun(own, named ? args.slice(1) : args);
}

const SHADER_CACHE = "MESA_SHADER_CACHE_DISABLE";

function listed(): string {
  return formatTable(
    ["study", "what it does"],
    Object.entries(studies).map(([name, { about }]) => [name, about]),
    { width: Math.min(getOutputWidth(), 80) },
  );
}

if (import.meta.main) {
  await runMain(async () => {
    await runBenchCommand(Deno.args);
    return Deno.exitCode; // of an interrupted study
  });
}
