/**
 * One training step of the same model on the same batches from the same weights, by clickgan and by others on this
 * machine: `deno task bench:peers`. What is compared, and how each peer is written, is in peers.md.
 */

import { basename } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { driverThreads } from "../src/gpu/host/driver_threads.ts";
import { machineText } from "./peers/machine.ts";
import { DENO_FLAGS } from "../src/deno_flags.ts";
import { EXIT_USER_ERROR, runMain } from "../src/cli/fail.ts";
import { fetchPackages } from "../src/cli/launch.ts";
import { parse, wholeNumber } from "../src/cli/options.ts";
import { expectMarkers, markdownTable, writeBetweenMarkers } from "../src/run/markers.ts";
import { EXIT_INTERRUPTED } from "../src/run/commands/run_stages.ts";
import { CHILD_ENVIRONMENT, GPU_ENVIRONMENT } from "../src/cli/setup.ts";
import { stopOnSignals } from "../src/cli/stop.ts";
import { table } from "../src/cli/table.ts";
import { atomicWriteFile } from "../src/run/files/atomic_write.ts";
import {
  isWorkloadName,
  type Model,
  models,
  nameOfSource,
  openJob,
  type Source,
  stepFlops,
  workloadNames,
  writeJob,
} from "./peers/job.ts";
import { measure } from "./peers/measure.ts";
import { CannotError } from "./peers/peer.ts";
import type { Command as ProcessCommand } from "./peers/process.ts";
import { findTorches, NO_CARD, NO_TORCH, pythonOption } from "./peers/python.ts";
import { type PeerEntry, roster, type Variant, withTorches } from "./peers/roster.ts";
import {
  type Figures,
  figuresOf,
  notesOf,
  problemLines,
  summaryCells,
  TABLE_HEAD,
  tableCells,
} from "./peers/summary.ts";
import { wholeRun } from "./peers/whole_run.ts";

const MARKERS = "bench peers";
const WHOLE_RUN_MARKERS = "bench peers whole run";

interface Options {
  workloads?: Source[];
  data?: string;
  model: Model;
  peers?: PeerEntry[];
  seconds: number;
  rounds: number;
  python: string[];
  json?: string;
  readme?: string;
  marker?: string;
  summary?: string;
  wholeRun: boolean;
}

function parseOptions(args: readonly string[]): Options {
  const command = new Command("deno task bench:peers")
    .description(
      "Compares one training step with other libraries on this machine: the same model, batches and initial weights, " +
        "each peer in a process of its own, one at a time and in turns. The losses of the first steps must be clickgan's.",
    )
    .option(
      "--workloads <names>",
      `of ${workloadNames.join(", ")}, joined by commas (default: all)`,
      workloadsOf,
    )
    .option("--data <file>", "a click log in the paper's layout instead, or besides --workloads")
    .addOption(new Option("--model <model>", "what is trained").choices(models).default("lstm"))
    .option("--peers <names>", `of ${roster.map(({ key }) => key).join(", ")} (default: all)`, peersOf)
    .option("--seconds <n>", "of timed steps, for each peer and workload", wholeNumber(1, 3600), 6)
    .option("--rounds <n>", "turns that each peer has", wholeNumber(1, 100), 5)
    .addOption(pythonOption())
    .option("--json <file>", "write all figures and samples there")
    .option("--readme <file>", "a page that gets the tables, between its lines <!-- bench peers -->")
    .option(
      "--marker <words>",
      `other words than these in the lines, where a page has several (default: "${MARKERS}", with --whole-run "${WHOLE_RUN_MARKERS}")`,
    )
    .option(
      "--summary <file>",
      "a page that gets each peer's times of clickgan's step, at <!-- bench peers summary -->",
    )
    .option(
      "--whole-run",
      "instead of a step: 2,000 iterations with validations and test figures, by clickgan and by PyTorch; takes --data",
      false,
    );
  return parse<Options>(command, args);
}

function workloadsOf(text: string): Source[] {
  return text.split(",").map((name) => {
    if (isWorkloadName(name)) return { workload: name };
    throw new InvalidArgumentError(`Expected names of ${workloadNames.join(", ")}, got "${name}".`);
  });
}

/** clickgan is always among them: the others are compared with it. */
function peersOf(text: string): PeerEntry[] {
  const keys = text.split(",");
  const unknown = keys.find((key) => !roster.some((entry) => entry.key === key));
  if (unknown === undefined) return roster.filter(({ key }) => key === "clickgan" || keys.includes(key));
  throw new InvalidArgumentError(
    `Expected names of ${roster.map(({ key }) => key).join(", ")}, got "${unknown}".`,
  );
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

async function main(): Promise<number> {
  const options = parseOptions(Deno.args);
  const stop = stopOnSignals(EXIT_INTERRUPTED);
  const say = (text: string) => console.error(text);
  const marker = options.marker ?? (options.wholeRun ? WHOLE_RUN_MARKERS : MARKERS);
  if (options.readme !== undefined) await expectMarkers(options.readme, marker);
  if (options.summary !== undefined) await expectMarkers(options.summary, "bench peers summary");
  const torches = await findTorches(options.python);
  if (!options.wholeRun) {
    const script = new URL("./peers/child.ts", import.meta.url).href;
    await fetchPackages({
      command: "bench:peers",
      script,
      megabytes: 340,
      environment: CHILD_ENVIRONMENT,
      say,
    });
  }
  if (options.wholeRun) {
    const { head, rows } = await wholeRun({
      ...options,
      data: options.data,
      torches,
      signal: stop.signal,
      say,
    });
    console.log(table(head, rows));
    // What was stopped has rounds without all of them.
    if (options.readme !== undefined && !stop.signal.aborted) {
      const by = torches.length === 0 ? "" : ` By ${torches.map(({ made }) => made).join("; ")}.`;
      const on = `${machineText()}, ${basename(options.data ?? "")}.${by}`;
      await writeBetweenMarkers(options.readme, marker, [on, "", ...markdownTable(head, rows)].join("\n"));
    }
    return stop.signal.aborted ? EXIT_INTERRUPTED : 0;
  }
  // Those of a card are left out where there is none, unless they were asked for by name.
  if (options.peers === undefined && torches.length > 0 && !torches.some(({ card }) => card)) say(NO_CARD);
  const asked = withTorches(options.peers ?? roster, torches, options.peers !== undefined);
  const entries = asked.filter((entry) => entry.models.includes(options.model));
  const measured: Measured[] = [];
  const folder = await Deno.makeTempDir({ prefix: "clickgan-peers-" });
  try {
    for (const source of sourcesOf(options)) {
      if (stop.signal.aborted) break;
      const clickgan = openJob(source, options.model);
      const { job } = clickgan;
      const flops = stepFlops(clickgan);
      const file = `${folder}/${nameOfSource(source)}.safetensors`;
      await writeJob(file, job);
      const title = describe(nameOfSource(source), job.batches, job.items, job.width);
      say(title);
      const results = await measure(entries, {
        ...options,
        signal: stop.signal,
        say: (text) => say(`  ${text}`),
        command: (entry, variant) => commandOf(entry, variant, file, flops),
      });
      await Deno.remove(file);
      const figures = figuresOf(results);
      measured.push({
        workload: nameOfSource(source),
        title,
        figures,
        samples: results.map(({ entry, variant, note, turns }) => ({
          peer: entry.name,
          settings: variant.settings,
          note,
          turns,
        })),
      });
      console.log(`\n${title}`);
      console.log(table(TABLE_HEAD, figures.map(tableCells)));
      for (const line of problemLines(figures)) console.log(`  ${line}`);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  const machine = machineText();
  if (options.json !== undefined) {
    const { model, seconds, rounds } = options;
    await atomicWriteFile(
      options.json,
      JSON.stringify({ machine, model, seconds, rounds, measured }, null, 2) + "\n",
    );
  }
  if (options.readme !== undefined) {
    const text = measured.map(({ title, figures }) => blockOf(title, figures)).join("\n\n");
    const where = `${machine}, ${options.model}. By ${notesOf(measured).join("; ")}.`;
    await writeBetweenMarkers(options.readme, marker, `${where}\n\n${text}`);
  }
  if (options.summary !== undefined) {
    const cells = summaryCells(measured);
    const text = [`${machine}, ${options.model}:`, "", ...markdownTable(cells.head, cells.rows)].join("\n");
    await writeBetweenMarkers(options.summary, "bench peers summary", text);
  }
  if (measured.some(({ figures }) => figures.some(({ wrong }) => wrong))) return EXIT_USER_ERROR;
  return stop.signal.aborted ? EXIT_INTERRUPTED : 0;
}

function sourcesOf({ workloads, data }: Options): Source[] {
  const files: Source[] = data === undefined ? [] : [{ file: data }];
  return [
    ...(workloads ?? (data === undefined ? workloadNames.map((workload) => ({ workload })) : [])),
    ...files,
  ];
}

function describe(
  name: string,
  batches: readonly { eventClick: ArrayLike<number>; rowItem: ArrayLike<number>; users: number }[],
  items: number,
  width: number,
): string {
  const mean = (of: (batch: (typeof batches)[number]) => number) =>
    Math.round(batches.reduce((sum, batch) => sum + of(batch), 0) / batches.length).toLocaleString("en-US");
  const features = width === 0 ? "one-hot" : `${width} features each`;
  return `${name}: ${mean(({ users }) => users)} users, ${
    mean(({ eventClick }) => eventClick.length)
  } events, ` +
    `${mean(({ rowItem }) => rowItem.length)} rows a batch; ${
      items.toLocaleString("en-US")
    } items, ${features}`;
}

function commandOf(
  { program, python }: PeerEntry,
  { args, environment }: Variant,
  file: string,
  flops: number,
): ProcessCommand {
  const script = (name: string) => new URL(`./peers/${name}`, import.meta.url).pathname;
  if (program === "python") {
    if (python === undefined) throw new CannotError(NO_TORCH);
    return { program: python, args: [script("torch_peer.py"), ...args, file], environment };
  }
  const flags = ["run", ...DENO_FLAGS, "--no-prompt", "--allow-read", "--allow-env"];
  return {
    program: Deno.execPath(),
    args: [...flags, script("child.ts"), ...args, file],
    // The others are faster with threads on small steps too.
    environment: {
      ...GPU_ENVIRONMENT,
      ...driverThreads(args[0] === "clickgan" ? flops : undefined),
      ...environment,
    },
  };
}

function blockOf(title: string, figures: readonly Figures[]): string {
  const problems = problemLines(figures).map((line) => `- ${line}`);
  return [
    `**${title}**`,
    markdownTable(TABLE_HEAD, figures.map(tableCells)).join("\n"),
    ...problems.length ? [problems.join("\n")] : [],
  ]
    .join("\n\n");
}

await runMain(main);
