/**
 * How preparation and training grow with a log: `deno task bench data` writes files in Retailrocket's layout at several
 * scales, prepares each, trains on it, and tells time and the most memory of every process. Findings are in data.md.
 */

import { type Command, Option } from "commander";
import { wholeNumber } from "../src/cli/options.ts";
import { Engine, stepsOf } from "../src/data/prepare/engine.ts";
import { exists } from "../src/files/file_error.ts";
import { UserError } from "../src/user_error.ts";
import { onDeno, Page, printTable } from "./output.ts";
import sourceFiles from "./retailrocket_files.sql" with { type: "text" };
import { describeProcess, type TaskName } from "../src/cli/tasks.ts";
import { numbersOf, readmeOption, study } from "./study.ts";

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

const scales = numbersOf("numbers above 0, at most 10,", (scale) => scale > 0 && scale <= 10);

export function command(): Command {
  const own = study(
    "data",
    "Measures how the preparation of a large log, and training on it, grow with the log.",
  )
    .option("--scales <list>", "shares of Retailrocket's full size", scales, [0.1, 0.3333, 1])
    .addOption(
      new Option("--pages <how>", "as of data retailrocket").choices(["session", "sampled"]).default(
        "sampled",
      ),
    )
    .option("--memory <size>", "memory of the data engine; what does not fit goes to disk", "2GB")
    .option("--iterations <n>", "of training on each; 0 for none", wholeNumber(0), 300)
    .option("--work <folder>", "for the files, 3 GB at full size; kept (default: a temporary one)")
    .option(...readmeOption("bench data PAGES"));
  return own.action(() => grow(own.opts<Options>()));
}

async function grow(options: Options): Promise<void> {
  const { pages, memory, iterations } = options;
  const page = await Page.open(options.readme, `bench data ${pages}`);
  const work = options.work ?? await Deno.makeTempDir({ prefix: "clickgan-bench-data-" });
  const rows: string[][] = [];
  try {
    for (const scale of options.scales) {
      const source = `${work}/source-${scale}`;
      if (!await exists(`${source}/item_properties_part2.csv`)) {
        console.error(`scale ${scale}: writing the files`);
        await writeRetailrocketFiles(source, scale);
      }
      const out = `${work}/prepared-${pages}-${scale}`;
      await remove(out);
      console.error(`scale ${scale}: preparing`);
      const prepared = await run("data", [
        ...["retailrocket", "--source", source, "--out", out, "--pages", pages, "--memory", memory],
      ]);
      const lines = await linesOf(source);
      const { counts } = JSON.parse(await Deno.readTextFile(`${out}/manifest.json`));
      const trained = iterations > 0 ? await train(work, out, iterations) : undefined;
      const sizes = [lines, counts.pages, counts.rows, counts.items].map((n: number) =>
        n.toLocaleString("en")
      );
      rows.push([
        ...[String(scale), ...sizes, prepared.seconds.toFixed(0)],
        ...[Math.round(lines / prepared.seconds).toLocaleString("en"), prepared.mebibytes.toFixed(0)],
        ...(trained
          ? [trained.first.seconds, trained.again.seconds, trained.again.mebibytes].map((n) => n.toFixed(0))
          : []),
      ]);
    }
  } finally {
    if (options.work === undefined) await remove(work);
  }
  const head = [
    ...["scale", "rows of the source", "pages", "displayed items", "versions of items", "preparing s"],
    ...["source rows/s", "MiB", ...(iterations > 0 ? ["training s, first", "again", "MiB"] : [])],
  ];
  printTable({ head, rows });
  await page.write(`bench data ${pages}`, `${onDeno()}, --memory ${memory}:`, { head, rows });
}

/**
 * Files in Retailrocket's exact layout with made-up contents, as large as the genuine ones or a part of them. At scale 1:
 * 2,756,101 events of 1,407,580 visitors and 235,061 items, 20,275,902 rows of properties in two files, 1,669 categories
 * with 25 roots. Nothing in them is to be learned.
 */
async function writeRetailrocketFiles(out: string, scale: number): Promise<void> {
  await Deno.mkdir(out, { recursive: true });
  const engine = await Engine.open({ workFolder: "", memory: "4GB" });
  try {
    await engine.setVariables({
      out,
      events: Math.round(2_756_101 * scale),
      visitors: Math.round(1_407_580 * scale),
      items: Math.max(30, Math.round(235_061 * scale)),
      properties: Math.round(20_275_902 * scale),
      categories: 1669,
      roots: 25,
    });
    await engine.runSteps(stepsOf(sourceFiles), { onStep: ({ title }) => console.error(title) });
  } finally {
    engine.close();
  }
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
      ...["--validate-every", String(Math.min(100, iterations)), "--validation-users", "2000"],
      ...["--no-report", "--no-calibration"],
    ], cache);
  };
  console.error("training");
  const first = await once();
  return { first, again: await once() };
}

/** Runs a command of this program in a process of its own. @throws UserError with its errors when it fails. */
async function run(name: string, args: string[], cache?: string): Promise<Taken> {
  const began = performance.now();
  const { args: all, env } = describeProcess(name as TaskName, args);
  const child = new Deno.Command(Deno.execPath(), {
    args: all,
    env: { ...env, ...(cache ? { XDG_CACHE_HOME: cache, DENO_DIR: await denoDir() } : {}) },
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

async function remove(path: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch(() => {});
}
