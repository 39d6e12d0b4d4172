/**
 * One training step of the same model on the same batches from the same weights, by clickgan and by others on this
 * machine: `deno task bench peers`. What is compared, and how each peer is written, is in peers.md.
 */

import { type Command, Option } from "commander";
import { driverThreads } from "../src/gpu/host/driver.ts";
import { DENO_FLAGS } from "../src/deno_flags.ts";
import { endProcess } from "../src/cli/fail.ts";
import { JSON_FILE, SUMMARY } from "../src/cli/arguments.ts";
import { outputFile, wholeNumber } from "../src/cli/options.ts";
import { EXIT_INTERRUPTED } from "../src/commands/train/run_stages.ts";
import { CHILD_ENVIRONMENT, GPU_ENVIRONMENT } from "../src/cli/setup.ts";
import { type Stop, stopOnSignals } from "../src/cli/stop.ts";
import { UserError } from "../src/user_error.ts";
import {
  expectRecords,
  inFolder,
  machineText,
  markdown,
  namesOf,
  Page,
  printTable,
  readmeOption,
  study,
  writeRecords,
} from "./study.ts";
import {
  type Job,
  type Model,
  models,
  nameOfSource,
  openJob,
  type Source,
  stepFlops,
  workloadNames,
  writeJob,
} from "./peers/job.ts";
import {
  type Figures,
  figuresOf,
  measure,
  notesOf,
  problemLines,
  summaryCells,
  tableCells,
} from "./peers/measure.ts";
import { CannotError, type Command as ProcessCommand } from "./peers/peer.ts";
import {
  findTorches,
  NO_CARD,
  NO_TORCH,
  type PeerEntry,
  pythonOption,
  roster,
  type Torch,
  type Variant,
  withTorches,
} from "./peers/roster.ts";

const FORMAT = "clickgan-peers";
const MARKERS = "bench peers";
const SUMMARY_MARKERS = "bench peers summary";

interface Options {
  workloads?: (typeof workloadNames)[number][];
  data?: string;
  model: Model;
  peers?: PeerEntry[];
  seconds: number;
  rounds: number;
  python: string[];
  json?: string;
  readme?: string;
  marker: string;
  summary?: string;
}

const keys = roster.map(({ key }) => key);

export function command(): Command {
  const own = study(
    "peers",
    "Compares one training step with other libraries on this machine: the same model, batches and initial weights, " +
      "each peer in a process of its own, one at a time and in turns. The losses of the first steps must be clickgan's.",
  )
    .option(
      "--workloads <names>",
      `of ${workloadNames.join(", ")}, joined by commas (default: all)`,
      namesOf(workloadNames),
    )
    .option("--data <file>", "a click log in the paper's layout instead, or besides --workloads")
    .addOption(new Option("--model <model>", "what is trained").choices(models).default("lstm"))
    .option("--peers <names>", `of ${keys.join(", ")} (default: all)`, peersOf)
    .option("--seconds <n>", "of timed steps, for each peer and workload", wholeNumber(1, 3600), 6)
    .option("--rounds <n>", "turns that each peer has", wholeNumber(1, 100), 5)
    .addOption(pythonOption())
    .option(JSON_FILE, "write all figures and samples there", outputFile(".json"))
    .option(...readmeOption(MARKERS, "the tables"))
    .option(
      "--marker <words>",
      "other words than these in the lines, where a page has several",
      MARKERS,
    )
    .option(
      SUMMARY,
      `a page that gets each peer's times of clickgan's step, at <!-- ${SUMMARY_MARKERS} -->, a table for each processor`,
    );
  return own.action(async () => {
    const stop = stopOnSignals(EXIT_INTERRUPTED);
    await peers(own.opts<Options>(), stop);
    // What was measured until then is written.
    if (stop.signal.aborted) endProcess(EXIT_INTERRUPTED);
  });
}

/** clickgan is always among them: the others are compared with it. */
function peersOf(text: string): PeerEntry[] {
  const named = namesOf(keys)(text);
  return roster.filter(({ key }) => key === "clickgan" || named.includes(key));
}

/** What was measured on one workload. */
interface Measured {
  readonly workload: string;
  readonly title: string;
  readonly figures: Figures[];
  readonly samples: {
    readonly peer: string;
    readonly settings: string;
    /** What it said that it runs on. */
    readonly note?: string;
    readonly turns: number[][];
  }[];
}

const say = (text: string) => console.error(text);
const script = (path: string) => new URL(path, import.meta.url).pathname;

async function peers(options: Options, { signal }: Stop): Promise<void> {
  const { marker } = options;
  if (options.json !== undefined) expectRecords(options.json, FORMAT);
  const page = await Page.open(options.readme, marker);
  const summary = await Page.open(options.summary, SUMMARY_MARKERS);
  const torches = await findTorches(options.python);
  await fetchPackages(script("./peers/child.ts"));
  const measured = await inFolder("peers", (folder) => measureAll(options, torches, folder, signal));
  const { model, seconds, rounds } = options;
  const machine = machineText();
  if (options.json !== undefined) {
    await writeRecords(options.json, { format: FORMAT, machine, model, seconds, rounds, measured });
  }
  const blocks = measured.map(({ title, figures }) => blockOf(title, figures));
  await page.write(marker, `${machine}, ${model}. By ${notesOf(measured).join("; ")}.`, ...blocks);
  await summary.writeOfCpu(SUMMARY_MARKERS, `${machine}, ${model}:`, summaryCells(measured));
  if (measured.some(({ figures }) => figures.some(({ wrong }) => wrong))) {
    throw new UserError("Expected peers that compute what clickgan does: see WRONG above.");
  }
}

/** Workload by workload; those that a stop leaves. */
async function measureAll(
  options: Options,
  torches: readonly Torch[],
  folder: string,
  signal: AbortSignal,
): Promise<Measured[]> {
  // Those of a card are left out where there is none, unless they were asked for by name.
  if (options.peers === undefined && torches.length > 0 && !torches.some(({ card }) => card)) say(NO_CARD);
  const asked = withTorches(options.peers ?? roster, torches, options.peers !== undefined);
  const entries = asked.filter((entry) => entry.models.includes(options.model));
  const measured: Measured[] = [];
  for (const source of sourcesOf(options)) {
    if (signal.aborted) break;
    const clickgan = openJob(source, options.model);
    const flops = stepFlops(clickgan);
    const workload = nameOfSource(source);
    const file = `${folder}/${workload}.safetensors`;
    await writeJob(file, clickgan.job);
    const title = describe(workload, clickgan.job);
    say(title);
    const results = await measure(entries, {
      ...options,
      signal,
      say: (text) => say(`  ${text}`),
      command: (entry, variant) => commandOf(entry, variant, file, flops),
    });
    await Deno.remove(file);
    const figures = figuresOf(results);
    const samples = results.map(({ entry, variant, note, turns }) => ({
      ...{ peer: entry.name, settings: variant.settings, note, turns },
    }));
    measured.push({ workload, title, figures, samples });
    printTable(tableCells(figures), title);
    for (const line of problemLines(figures)) console.log(`  ${line}`);
  }
  return measured;
}

function sourcesOf({ workloads, data }: Options): Source[] {
  const files: Source[] = data === undefined ? [] : [{ file: data }];
  const names = workloads ?? (data === undefined ? workloadNames : []);
  return [...names.map((workload) => ({ workload })), ...files];
}

function describe(name: string, { batches, items, width }: Job): string {
  const mean = (of: (batch: Job["batches"][number]) => number) =>
    Math.round(batches.reduce((sum, batch) => sum + of(batch), 0) / batches.length).toLocaleString("en-US");
  const features = width === 0 ? "one-hot" : `${width} features each`;
  return `${name}: ${mean(({ users }) => users)} users, ${mean(({ eventClick }) => eventClick.length)} ` +
    `events, ${mean(({ rowItem }) => rowItem.length)} rows a batch; ${items.toLocaleString("en-US")} ` +
    `items, ${features}`;
}

function commandOf(
  { program, python }: PeerEntry,
  { args, environment }: Variant,
  file: string,
  flops: number,
): ProcessCommand {
  if (program === "python") {
    if (python === undefined) throw new CannotError(NO_TORCH);
    return { program: python, args: [script("./peers/torch_peer.py"), ...args, file], environment };
  }
  const flags = ["run", ...DENO_FLAGS, "--no-prompt", "--allow-read", "--allow-env"];
  return {
    program: Deno.execPath(),
    args: [...flags, script("./peers/child.ts"), ...args, file],
    // The others are faster with threads on small steps too.
    environment: {
      ...GPU_ENVIRONMENT,
      ...driverThreads(args[0] === "clickgan" ? flops : undefined),
      ...environment,
    },
  };
}

function blockOf(title: string, figures: readonly Figures[]): string {
  const problems = problemLines(figures).map((line) => `- ${line}`).join("\n");
  return [`**${title}**`, markdown(tableCells(figures)), ...problems ? [problems] : []].join("\n\n");
}

/** Fetches the packages of a module before anything is timed (340 MB, once), with Deno's own progress. */
async function fetchPackages(module: string): Promise<void> {
  const flags = DENO_FLAGS.filter((flag) => flag !== "--quiet");
  const fetching = new Deno.Command(Deno.execPath(), {
    args: ["cache", ...flags, module],
    env: CHILD_ENVIRONMENT,
    stdin: "null",
    stdout: "null",
  });
  if ((await fetching.spawn().status).success) return;
  throw new UserError(
    "the packages of the peers could not be fetched: see above. Check the network and start again.",
  );
}
