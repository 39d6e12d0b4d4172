/**
 * How preparation and training grow with a log: `deno task bench:data` writes files in Retailrocket's layout at several
 * scales, prepares each, trains on it, and tells time and the most memory of every process. Findings are in data.md.
 */

import { Command, InvalidArgumentError } from "commander";
import { DENO_FLAGS } from "../src/deno_flags.ts";
import { runMain } from "../src/cli/fail.ts";
import { parse, wholeNumber } from "../src/cli/options.ts";
import { commandScript, permissionFlags } from "../src/cli/permissions.ts";
import { GPU_ENVIRONMENT } from "../src/cli/setup.ts";
import { table } from "../src/cli/table.ts";
import { UserError } from "../src/user_error.ts";
import { expectMarkers, markdownTable, writeBetweenMarkers } from "../src/run/markers.ts";
import { writeRetailrocketFiles } from "./retailrocket_files.ts";

interface Options {
  scales: number[];
  pages: "session" | "sampled";
  memory: string;
  iterations: number;
  work?: string;
  readme?: string;
}

/** What a process took. */
interface Taken {
  readonly seconds: number;
  /** The most resident memory, MiB, looked at five times a second. */
  readonly mebibytes: number;
}

async function main(): Promise<void> {
  const command = new Command("deno task bench:data")
    .description("Measures how the preparation of a large log, and training on it, grow with the log.")
    .option("--scales <list>", "shares of Retailrocket's full size", scales, [0.1, 0.3333, 1])
    .option("--pages <how>", "session or sampled", pages, "sampled")
    .option("--memory <size>", "memory of the data engine; what does not fit goes to disk", "2GB")
    .option("--iterations <n>", "of training on each; 0 for none", wholeNumber(0), 300)
    .option("--work <folder>", "for the files, 3 GB at full size; kept (default: a temporary one)")
    .option("--readme <file>", "a page that gets the table, between its lines <!-- bench data PAGES -->");
  const options = parse<Options>(command, Deno.args);
  if (options.readme !== undefined) await expectMarkers(options.readme, `bench data ${options.pages}`);
  const work = options.work ?? await Deno.makeTempDir({ prefix: "clickgan-bench-data-" });
  const rows: string[][] = [];
  try {
    for (const scale of options.scales) {
      const source = `${work}/source-${scale}`;
      if (!await exists(`${source}/item_properties_part2.csv`)) {
        console.error(`scale ${scale}: writing the files`);
        await writeRetailrocketFiles(source, scale);
      }
      const out = `${work}/prepared-${options.pages}-${scale}`;
      await remove(out);
      console.error(`scale ${scale}: preparing`);
      const { pages, memory } = options;
      const prepared = await run("data", [
        "retailrocket",
        ...["--source", source, "--out", out, "--pages", pages, "--memory", memory],
      ]);
      const lines = await linesOf(source);
      const { counts } = JSON.parse(await Deno.readTextFile(`${out}/manifest.json`));
      const trained = options.iterations > 0 ? await train(work, out, options.iterations) : undefined;
      rows.push([
        String(scale),
        lines.toLocaleString("en"),
        counts.pages.toLocaleString("en"),
        counts.rows.toLocaleString("en"),
        counts.items.toLocaleString("en"),
        prepared.seconds.toFixed(0),
        Math.round(lines / prepared.seconds).toLocaleString("en"),
        prepared.mebibytes.toFixed(0),
        ...(trained
          ? [
            trained.first.seconds.toFixed(0),
            trained.again.seconds.toFixed(0),
            trained.again.mebibytes.toFixed(0),
          ]
          : []),
      ]);
    }
  } finally {
    if (options.work === undefined) await remove(work);
  }
  const head = [
    "scale",
    "rows of the source",
    "pages",
    "displayed items",
    "versions of items",
    "preparing s",
    "source rows/s",
    "MiB",
    ...(options.iterations > 0 ? ["training s, first", "again", "MiB"] : []),
  ];
  console.log(table(head, rows));
  if (options.readme === undefined) return;
  const on = `${navigator.hardwareConcurrency} cores, Deno ${Deno.version.deno}, --memory ${options.memory}:`;
  const text = [on, "", ...markdownTable(head, rows)].join("\n");
  await writeBetweenMarkers(options.readme, `bench data ${options.pages}`, text);
}

/** Twice: the first run packs the log for reading by user, and keeps that in the cache. */
async function train(
  work: string,
  data: string,
  iterations: number,
): Promise<{ first: Taken; again: Taken }> {
  const cache = `${work}/cache`;
  const once = async (): Promise<Taken> => {
    const folder = `${work}/run`;
    await remove(folder);
    return await run("train", [
      ...["--data", data, "--save-dir", folder, "--iterations", String(iterations), "--memory-rows", "0"],
      ...[
        "--validate-every",
        String(Math.min(100, iterations)),
        "--validation-users",
        "2000",
        "--no-report",
        "--no-calibration",
      ],
    ], cache);
  };
  console.error("training");
  const first = await once();
  return { first, again: await once() };
}

/** Runs a command of this program in a process of its own. @throws UserError with its errors when it fails. */
async function run(name: string, args: string[], cache?: string): Promise<Taken> {
  const script = commandScript(name);
  const began = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      ...DENO_FLAGS,
      ...permissionFlags(name, args, cache && `${cache}/clickgan`),
      script,
      ...args,
    ],
    env: {
      ...GPU_ENVIRONMENT,
      NO_COLOR: "1",
      ...(cache ? { XDG_CACHE_HOME: cache, DENO_DIR: await denoDir() } : {}),
    },
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let most = 0;
  let ended = false;
  const watch = (async () => {
    while (!ended) {
      most = Math.max(most, await memoryOf(child.pid));
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  })();
  const errors = await new Response(child.stderr).text();
  const { code } = await child.status;
  ended = true;
  await watch;
  if (code !== 0) throw new UserError(`${name} ${args.join(" ")} ended with ${code}:\n${errors}`);
  return { seconds: (performance.now() - began) / 1000, mebibytes: most };
}

/**
 * MiB of resident memory of a process, by what every machine has: the most so far where Linux tells it (to cat, as a script
 * without all permissions may not look there), else what ps says of now; 0 once it has ended.
 */
async function memoryOf(pid: number): Promise<number> {
  const [command, ...args] = Deno.build.os === "linux"
    ? ["cat", `/proc/${pid}/status`] as const
    : ["ps", "-o", "rss=", "-p", String(pid)] as const;
  const { stdout } = await new Deno.Command(command, { args, stderr: "null" }).output();
  const [, kibibytes = "0"] = /(?:VmHWM:|^)\s*(\d+)/.exec(new TextDecoder().decode(stdout)) ?? [];
  return Number(kibibytes) / 1024;
}

/** The children have another cache folder, but Deno's own is to stay. */
async function denoDir(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return String(JSON.parse(new TextDecoder().decode(stdout)).denoDir);
}

/** Rows of all CSV files of a folder, without their headers. */
async function linesOf(folder: string): Promise<number> {
  let lines = 0;
  for await (const { name } of Deno.readDir(folder)) {
    using file = await Deno.open(`${folder}/${name}`);
    const block = new Uint8Array(2 ** 20);
    for (let n = file.readSync(block); n !== null; n = file.readSync(block)) {
      for (let at = block.indexOf(10); at >= 0 && at < n; at = block.indexOf(10, at + 1)) lines++;
    }
    lines--;
  }
  return lines;
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
async function remove(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch(() => {});
}

function scales(text: string): number[] {
  const list = text.split(",").map(Number);
  if (list.every((scale) => scale > 0 && scale <= 10)) return list;
  throw new InvalidArgumentError(`Expected numbers above 0, at most 10, joined by commas, got "${text}".`);
}
function pages(text: string): string {
  if (text === "session" || text === "sampled") return text;
  throw new InvalidArgumentError(`Expected session or sampled, got "${text}".`);
}

await runMain(main);
