/** `deno task bench peers`: times a training step of clickgan and of other libraries; see peers.md. */

import { type Command, Option } from "commander";
import { buildDriverEnvironment } from "../src/gpu/host/driver.ts";
import { DENO_FLAGS } from "../src/deno_flags.ts";
import { endProcess } from "../src/cli/run_main.ts";
import { JSON_FILE, SUMMARY } from "../src/cli/arguments.ts";
import { makeOutputFileParser, parseWholeNumber } from "../src/cli/command_options.ts";
import { CHILD_ENVIRONMENT, GPU_ENVIRONMENT } from "../src/cli/setup.ts";
import { EXIT_INTERRUPTED, stopOnSignals, type StopRequest } from "../src/cli/stop.ts";
import { UserError } from "../src/user_error.ts";
import {
  createReadmeOption,
  createStudy,
  describeMachine,
  expectRecords,
  makeNamesParser,
  printTable,
  StudyPage,
  withTemporaryFolder,
  writeRecords,
} from "./study.ts";
import { basename, resolve } from "node:path";
import type { PeerJob, PeerModel } from "./peers/job.ts";
import { models, openJob, stepFlops, workloadNames, writeJob } from "./peers/job.ts";
import {
  listNotes,
  listProblems,
  listSummaryCells,
  listTableCells,
  measure,
  type PeerMeasurements,
  type PeerResult,
  summarizePeers,
} from "./peers/measure.ts";
import { type PeerCommand as ProcessCommand, UnsupportedJobError } from "./peers/peer.ts";
import type { PeerEntry, PeerVariant, Torch } from "./peers/roster.ts";
import {
  createPythonOption,
  findTorches,
  NO_CARD,
  NO_TORCH,
  roster,
  torchEnvironment,
  withTorches,
} from "./peers/roster.ts";

const FORMAT = "clickgan-peers";
const MARKERS = "bench peers";
const SUMMARY_MARKERS = "bench peers summary";

interface Options {
  workloads?: (typeof workloadNames)[number][];
  data?: string;
  model: PeerModel;
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

export function createCommand(): Command {
  const own = createStudy(
    "peers",
    "Times one training step of clickgan and other libraries, with the same model, batches and initial " +
      "weights. Each peer has its own process. Losses of the first steps must match clickgan's.",
  )
    .option(
      "--workloads <names>",
      `workloads joined by commas, of ${workloadNames.join(", ")} (default: all)`,
      makeNamesParser(workloadNames),
    )
    .option("--data <file>", "a log in the layout of Chen et al. 2019 (src/run/README.md)")
    .addOption(new Option("--model <model>", "the model").choices(models).default("lstm"))
    .option("--peers <names>", `peers joined by commas, of ${keys.join(", ")} (default: all)`, parsePeers)
    .option("--seconds <n>", "seconds of timed steps per peer and workload", parseWholeNumber(1, 3600), 6)
    .option("--rounds <n>", "number of times that each peer is measured", parseWholeNumber(1, 100), 5)
    .addOption(createPythonOption())
    .option(JSON_FILE, "JSON file for all results and samples", makeOutputFileParser(".json"))
    .option(...createReadmeOption(MARKERS, "the tables"))
    .option("--marker <words>", "name in the marker lines, if the page has several tables", MARKERS)
    .option(
      SUMMARY,
      `page for step times relative to clickgan's, below its line <!-- ${SUMMARY_MARKERS} -->`,
    );
  return own.action(async () => {
    const stop = stopOnSignals();
    await peers(own.opts<Options>(), stop);
    // All results up to the interruption have been written.
    if (stop.signal.aborted) endProcess(EXIT_INTERRUPTED);
  });
}

/** Parses names of peers. clickgan is always included, because all peers are compared with clickgan. */
function parsePeers(text: string): PeerEntry[] {
  const named = makeNamesParser(keys)(text);
  return roster.filter(({ key }) => key === "clickgan" || named.includes(key));
}

interface Measured {
  readonly workload: string;
  readonly title: string;
  readonly measurements: PeerMeasurements[];
  readonly samples: (Pick<PeerMeasurements, "peer" | "settings"> & Pick<PeerResult, "note" | "turns">)[];
}

const say = (text: string) => console.error(text);
const script = (path: string) => new URL(path, import.meta.url).pathname;

async function peers(options: Options, { signal }: StopRequest): Promise<void> {
  const { marker } = options;
  if (options.json !== undefined) expectRecords(options.json, FORMAT);
  const page = await StudyPage.open(options.readme, marker);
  const summary = await StudyPage.open(options.summary, SUMMARY_MARKERS);
  const torches = await findTorches(options.python);
  await fetchPackages(script("./peers/child.ts"));
  const measured = await withTemporaryFolder(
    "peers",
    (folder) => measureAll(options, torches, folder, signal),
  );
  const { model, seconds, rounds } = options;
  const machine = describeMachine();
  if (options.json !== undefined) {
    await writeRecords(options.json, { format: FORMAT, machine, model, seconds, rounds, measured });
  }
  const blocks = measured.flatMap(({ title, measurements }) => [
    ...[`**${title}**`, listTableCells(measurements)],
    listProblems(measurements).map((line) => `- ${line}`).join("\n"),
  ]);
  await page.write(marker, `${machine}, ${model}. Programs: ${listNotes(measured).join("; ")}.`, ...blocks);
  await summary.writeOfCpu(SUMMARY_MARKERS, `${machine}, ${model}:`, listSummaryCells(measured));
  if (measured.some(({ measurements }) => measurements.some(({ wrong }) => wrong))) {
    throw new UserError("Expected all losses to equal clickgan's, but some differ: see WRONG above.");
  }
}

async function measureAll(
  options: Options,
  torches: readonly Torch[],
  folder: string,
  signal: AbortSignal,
): Promise<Measured[]> {
  // Without a GPU, peers that need a GPU are skipped, unless --peers names them.
  if (options.peers === undefined && torches.length > 0 && !torches.some(({ card }) => card)) say(NO_CARD);
  const asked = withTorches(options.peers ?? roster, torches, options.peers !== undefined);
  const entries = asked.filter((entry) => entry.models.includes(options.model));
  const measured: Measured[] = [];
  for (const source of listSources(options)) {
    if (signal.aborted) break;
    const job = openJob(source, options.model);
    const workload = basename(source).replace(/\.\w+$/, "");
    const file = `${folder}/${workload}.safetensors`;
    await writeJob(file, job);
    const title = describe(workload, job);
    say(title);
    const results = await measure(entries, {
      ...options,
      signal,
      say: (text) => say(`  ${text}`),
      command: (entry, variant) =>
        entry.program === "python"
          ? buildPythonCommand(entry, variant, file)
          : buildDenoCommand(variant, [options.model, source], stepFlops(job)),
    });
    await Deno.remove(file);
    const measurements = summarizePeers(results);
    const samples = results.map(({ entry, variant, note, turns }) => ({
      ...{ peer: entry.name, settings: variant.settings, note, turns },
    }));
    measured.push({ workload, title, measurements, samples });
    printTable(listTableCells(measurements), title);
    for (const line of listProblems(measurements)) console.log(`  ${line}`);
  }
  return measured;
}

/** Returns the workloads' names, and the absolute path of the log file after --data. */
function listSources({ workloads, data }: Options): string[] {
  if (data === undefined) return workloads ?? workloadNames;
  return [...workloads ?? [], resolve(data)];
}

function describe(name: string, { batches, items, width }: PeerJob): string {
  const mean = (of: (batch: PeerJob["batches"][number]) => number) =>
    Math.round(batches.reduce((sum, batch) => sum + of(batch), 0) / batches.length).toLocaleString("en-US");
  const features = width === 0 ? "one-hot" : `${width} features each`;
  return `${name}: ${mean(({ users }) => users)} users, ${mean(({ eventClick }) => eventClick.length)} ` +
    `events, ${mean(({ rowItem }) => rowItem.length)} rows per batch; ${items.toLocaleString("en-US")} ` +
    `items, ${features}`;
}

function buildPythonCommand({ python }: PeerEntry, { args }: PeerVariant, file: string): ProcessCommand {
  if (python === undefined) throw new UnsupportedJobError(NO_TORCH);
  const own = [script("./peers/torch_peer.py"), ...args, file];
  return { program: python, args: own, environment: torchEnvironment };
}

function buildDenoCommand({ args }: PeerVariant, job: readonly string[], flops: number): ProcessCommand {
  const flags = ["run", ...DENO_FLAGS, "--no-prompt", "--allow-read", "--allow-env"];
  return {
    program: Deno.execPath(),
    args: [...flags, script("./peers/child.ts"), ...args, ...job],
    // Only clickgan's number of threads depends on the step's size: other peers are faster with all threads.
    environment: {
      ...GPU_ENVIRONMENT,
      ...buildDriverEnvironment(args[0] === "clickgan" ? flops : undefined),
    },
  };
}

/** Downloads a module's packages (340 MB, once) before anything is timed, and shows Deno's progress. */
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
    "Could not download the packages of the peers: see Deno's error above. Check the network and try again.",
  );
}
