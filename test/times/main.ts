/**
 * `deno task test:special times`: what each part of the tests takes, from empty caches (of shaders, and of what Deno has checked) and
 * again from full ones; or all of them as a whole. CPU time hardly depends on what else the machine does, wall time does.
 */

import { Command } from "commander";
import { runMain } from "../../src/cli/fail.ts";
import { parseAndRun, path, wholeNumber } from "../../src/cli/options.ts";
import { table } from "../../src/cli/table.ts";
import { expectMarkers, markdownTable, writeBetweenMarkers } from "../../src/run/markers.ts";
import { UserError } from "../../src/user_error.ts";
import { parts } from "../test_files.ts";
import { timed, type Took } from "./timed.ts";
import { WHOLE_MARKERS, wholeTable } from "./whole.ts";

interface Options {
  only: string;
  whole: boolean;
  rounds: number;
  readme?: string;
}

type Seconds = Pick<Took, "cpu" | "wall">;

const MARKERS = "test times";
const CHECKS = ["format", "lint", "types", "docs"];

/** A cache of Deno's that has the packages, and nothing that was checked or compiled. */
async function emptyCache(folder: string): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { npmCache }: { npmCache: string } = JSON.parse(new TextDecoder().decode(stdout));
  await Deno.mkdir(`${folder}/deno`);
  await Deno.symlink(npmCache, `${folder}/deno/npm`);
  return `${folder}/deno`;
}

async function main({ only, whole, rounds, readme }: Options): Promise<void> {
  const markers = whole ? WHOLE_MARKERS : MARKERS;
  if (readme !== undefined) await expectMarkers(readme, markers);
  if (whole) {
    const text = await wholeTable(rounds);
    console.log(text);
    if (readme !== undefined) await writeBetweenMarkers(readme, markers, text);
    return;
  }
  const folder = await Deno.makeTempDir({ prefix: "clickgan-times-" });
  try {
    const env = { MESA_SHADER_CACHE_DIR: folder, DENO_DIR: await emptyCache(folder) };
    const work: [name: string, args: readonly string[]][] = [
      ...CHECKS.map((check): [string, string[]] => [`check ${check}`, ["check", check]]),
      ...parts.map((part): [string, string[]] => [`test/${part}`, ["test", `test/${part}`]]),
    ];
    const chosen = work.filter(([name]) => name.includes(only));
    if (chosen.length === 0) throw new UserError(`no part has "${only}" in its name`);
    const passes: Took[][] = [];
    for (const pass of ["cold", "warm"]) {
      const took: Took[] = [];
      for (const [name, args] of chosen) {
        console.error(`${pass}: ${name}`);
        took.push(await timed(args, env));
      }
      passes.push(took);
    }
    const [cold = [], warm = []] = passes;
    const row = (name: string, c: Seconds, w: Seconds) => [
      name,
      ...[c.cpu, w.cpu, c.wall, w.wall].map((seconds) => seconds.toFixed(0)),
    ];
    const sum = (took: readonly Took[]): Seconds => {
      const of = (which: keyof Seconds) => took.reduce((all, one) => all + one[which], 0);
      return { cpu: of("cpu"), wall: of("wall") };
    };
    const none: Seconds = { cpu: NaN, wall: NaN };
    const rows = chosen.map(([name], k) => row(name, cold[k] ?? none, warm[k] ?? none));
    if (only === "") rows.push(row("one after another", sum(cold), sum(warm)));
    const head = ["part", "CPU cold", "CPU warm", "wall cold", "wall warm"];
    console.log(table(head, rows));
    if (readme !== undefined) {
      const on =
        `Seconds on ${navigator.hardwareConcurrency} cores, Deno ${Deno.version.deno}. Cold: no shader is compiled yet, and ` +
        "Deno has the packages, but has looked at no file. Warm: the same again.";
      await writeBetweenMarkers(readme, markers, [on, "", ...markdownTable(head, rows)].join("\n"));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

await runMain(async () => {
  const command = new Command("deno task test:special times")
    .description(
      "Runs each part of the tests twice, first from empty caches, and says what it takes; with --whole all of them together.",
    )
    .option("--only <text>", "parts with this in their names", "")
    .option(
      "--whole",
      "instead: deno task ok, of what is committed, in a fresh clone with empty caches, and again",
      false,
    )
    .option("--rounds <n>", "with --whole: so many fresh clones, one after another", wholeNumber(1, 100), 1)
    .option(
      "--readme <file>",
      `a page with the lines <!-- ${MARKERS} --> (<!-- ${WHOLE_MARKERS} --> with --whole), between which the table goes`,
      path,
    )
    .action(main);
  await parseAndRun(command, Deno.args);
});
