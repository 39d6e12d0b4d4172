/** `deno task bench [STUDY]`: what the studies measure, and how to read it, is in bench/README.md and the pages that it names. */

import type { Command } from "commander";
import { runMain } from "../src/cli/fail.ts";
import { parseAndRun } from "../src/cli/command_options.ts";
import { ensureAdapter } from "../src/cli/setup.ts";
import { formatTable } from "../src/cli/table.ts";

interface Study {
  readonly about: string;
  /** Whether it computes on the adapter. */
  readonly adapter: boolean;
  /** Whether nothing that the driver compiled before is to count. */
  readonly cold: boolean;
}

const none = { adapter: false, cold: false };
const warm = { adapter: true, cold: false };
const cold = { adapter: true, cold: true };

/** Each by its name. The file of that name exports `createCommand()`; it is loaded, and its packages are fetched, for it alone. */
export const studies: Readonly<Record<string, Study>> = {
  ladder: { ...cold, about: "from a naive kernel to the shipped one, an idea a step" },
  compiled: { ...cold, about: "what a GPU's compiler makes of every kernel, without a GPU" },
  peers: { ...warm, about: "a training step beside other libraries on this machine" },
  simulate: { ...warm, about: "pages of simulated users, compared with PyTorch" },
  serve: { ...warm, about: "the service under load, and that each request gets its own answer" },
  results: { ...warm, about: "trains what a table of results is about, and makes the table" },
  demo: { ...cold, about: "what deno task train prints in the end, kept on a page" },
  logs: { ...none, about: "makes logs with a planted truth, and says what can be attained" },
  truth: { ...none, about: "what can be gained in the made-up shops" },
};

/** What `deno task bench` does without the name of a study. */
const USUAL = "profile";

/** The command of a study, or the usual one. */
export async function loadCommand(name: string): Promise<Command> {
  const file = Object.hasOwn(studies, name) ? name : USUAL;
  const { createCommand }: { createCommand(): Command } = await import(
    new URL(`${file}.ts`, import.meta.url).href
  );
  return createCommand();
}

/** Runs a study, by its name or without one. @throws UserError for arguments that it does not understand */
export async function runBenchCommand(args: readonly string[]): Promise<void> {
  const [name = ""] = args;
  const named = Object.hasOwn(studies, name) ? studies[name] : undefined;
  const { adapter, cold: isCold } = named ?? cold;
  const own = await loadCommand(name);
  if (!named) own.addHelpText("after", `\nStudies of their own, each with its --help:\n${listed()}`);
  own.hook("preAction", async () => {
    if (adapter) await ensureAdapter();
    // Mesa reads it when a device is opened.
    if (isCold && !Deno.env.has(SHADER_CACHE)) Deno.env.set(SHADER_CACHE, "true");
  });
  await parseAndRun(own, named ? args.slice(1) : args);
}

const SHADER_CACHE = "MESA_SHADER_CACHE_DISABLE";

function listed(): string {
  return formatTable(
    ["study", "what it is about"],
    Object.entries(studies).map(([name, { about }]) => [name, about]),
  );
}

if (import.meta.main) await runMain(() => runBenchCommand(Deno.args));
