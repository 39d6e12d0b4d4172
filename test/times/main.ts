/**
 * `deno task test:times`: what each part of the tests takes, from empty caches (of shaders, and of what Deno has checked) and
 * again from full ones. CPU time hardly depends on what else the machine does, wall time does.
 */

import { Command } from "commander";
import { runMain } from "../../src/cli/fail.ts";
import { parseAndRun, path } from "../../src/cli/options.ts";
import { table } from "../../src/cli/table.ts";
import { expectMarkers, markdownTable, writeBetweenMarkers } from "../../src/run/markers.ts";
import { UserError } from "../../src/user_error.ts";
import { type Part, parts } from "./parts.ts";

interface Took {
  readonly cpu: number;
  readonly wall: number;
}

interface Options {
  only: string;
  readme?: string;
}

const MARKERS = "test times";
const CHECKS = ["check:format", "check:lint", "check:types", "check:docs"];

/** Runs a task. @throws UserError if it fails: what it took says nothing then. */
async function timed(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Took> {
  const began = performance.now();
  // `times` tells what all processes took that have ended, the last line those of the shell's children.
  const script = '"$@" >&2; code=$?; times; exit $code';
  const child = new Deno.Command("sh", {
    args: ["-c", script, "sh", Deno.execPath(), "task", "--quiet", ...args],
    env: { ...env, NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  });
  const { success, stdout, stderr } = await child.output();
  const wall = (performance.now() - began) / 1000;
  if (!success) {
    throw new UserError(
      `deno task ${args.join(" ")} failed:\n${new TextDecoder().decode(stderr).slice(-3000)}`,
    );
  }
  return { cpu: cpuOf(new TextDecoder().decode(stdout)), wall };
}

/** Of a line such as "1m2.500s 0m0.250s": 62.75. */
function cpuOf(text: string): number {
  const line = text.trim().split("\n").at(-1) ?? "";
  const spent = [...line.matchAll(/(\d+)m([\d.]+)s/g)].map(([, m, s]) => 60 * Number(m) + Number(s));
  if (spent.length !== 2) throw new Error(`expected two times from the shell, found ${line}`);
  return spent.reduce((sum, seconds) => sum + seconds, 0);
}

/** A cache of Deno's that has the packages, and nothing that was checked or compiled. */
async function emptyCache(folder: string): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { npmCache }: { npmCache: string } = JSON.parse(new TextDecoder().decode(stdout));
  await Deno.mkdir(`${folder}/deno`);
  await Deno.symlink(npmCache, `${folder}/deno/npm`);
  return `${folder}/deno`;
}

const filesOf = ({ files }: Part) => files.map((file) => `test/${file}`);

async function main({ only, readme }: Options): Promise<void> {
  if (readme !== undefined) await expectMarkers(readme, MARKERS);
  const folder = await Deno.makeTempDir({ prefix: "clickgan-times-" });
  try {
    const env = { MESA_SHADER_CACHE_DIR: folder, DENO_DIR: await emptyCache(folder) };
    const work: [name: string, about: string, args: readonly string[]][] = [
      ...CHECKS.map((task) => [task, "", [task]] as [string, string, string[]]),
      ...parts.map((part) =>
        [part.name, part.about, ["test", ...filesOf(part)]] as [string, string, string[]]
      ),
      ["test:fast", "run again, as a person does", ["test:fast"]],
    ];
    const chosen = work.filter(([name]) => name.includes(only));
    if (chosen.length === 0) throw new UserError(`no part has "${only}" in its name`);
    const passes: Took[][] = [];
    for (const pass of ["cold", "warm"]) {
      const took: Took[] = [];
      for (const [name, , args] of chosen) {
        console.error(`${pass}: ${name}`);
        took.push(await timed(args, env));
      }
      passes.push(took);
    }
    const [cold = [], warm = []] = passes;
    const row = (name: string, about: string, c: Took, w: Took) => [
      name,
      about,
      ...[c.cpu, w.cpu, c.wall, w.wall].map((seconds) => seconds.toFixed(0)),
    ];
    const sum = (took: readonly Took[]): Took =>
      took.reduce(
        (all, one, k) =>
          chosen[k]?.[0] === "test:fast" ? all : { cpu: all.cpu + one.cpu, wall: all.wall + one.wall },
        { cpu: 0, wall: 0 },
      );
    const none: Took = { cpu: NaN, wall: NaN };
    const rows = chosen.map(([name, about], k) => row(name, about, cold[k] ?? none, warm[k] ?? none));
    if (only === "") rows.push(row("all but test:fast", "one after another", sum(cold), sum(warm)));
    const head = ["part", "what", "CPU cold", "CPU warm", "wall cold", "wall warm"];
    console.log(table(head, rows));
    if (readme !== undefined) {
      const on =
        `Seconds on ${navigator.hardwareConcurrency} cores, Deno ${Deno.version.deno}. Cold: no shader is compiled yet, and ` +
        "Deno has the packages, but has looked at no file. Warm: the same again.";
      await writeBetweenMarkers(readme, MARKERS, [on, "", ...markdownTable(head, rows)].join("\n"));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

await runMain(async () => {
  const command = new Command("deno task test:times")
    .description("Runs each part of the tests twice, first from empty caches, and says what it takes.")
    .option("--only <text>", "parts with this in their names", "")
    .option(
      "--readme <file>",
      `a page with the lines <!-- ${MARKERS} -->, between which the table goes`,
      path,
    )
    .action(main);
  await parseAndRun(command, Deno.args);
});
