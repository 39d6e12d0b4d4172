/**
 * `deno task test:special times`: what each folder of tests takes, from empty caches (of shaders, and of what Deno has checked) and
 * again from full ones. CPU time hardly depends on what else the machine does, wall time does.
 */

import { Command } from "commander";
import { runMain } from "../../src/cli/fail.ts";
import { parseAndRun } from "../../src/cli/options.ts";
import { table } from "../../src/cli/table.ts";
import { UserError } from "../../src/user_error.ts";

const CHECKS = ["format", "lint", "types", "docs"];
const TESTS = new URL("../", import.meta.url);

/** Folders that have tests, in order. */
function folders(): string[] {
  const tests = (folder: string) =>
    [...Deno.readDirSync(new URL(`${folder}/`, TESTS))].map(({ name }) => name);
  return [...Deno.readDirSync(TESTS)].filter(({ isDirectory }) => isDirectory).map(({ name }) => name)
    .filter((folder) => tests(folder).some((name) => name.endsWith("_test.ts"))).sort();
}

/** Seconds, CPU of all processes that have ended. */
interface Took {
  readonly cpu: number;
  readonly wall: number;
}

/** Runs a task of the repository. @throws UserError if it fails: what it took says nothing then. */
async function timed(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Took> {
  const began = performance.now();
  // `times` tells what all processes took that have ended, the last line those of the shell's children.
  const script = '"$@" >&2; code=$?; times; exit $code';
  const { success, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", script, "sh", Deno.execPath(), "task", "--quiet", ...args],
    env: { ...env, NO_COLOR: "1" },
  }).output();
  const [spent, said] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes).trim());
  if (!success) throw new UserError(`deno task ${args.join(" ")} failed:\n${said?.slice(-3000)}`);
  // Such as "1m2.500s 0m0.250s".
  const children = [...spent?.split("\n").at(-1)?.matchAll(/(\d+)m([\d.]+)s/g) ?? []];
  if (children.length !== 2) throw new Error(`expected two times from the shell, found ${spent}`);
  const cpu = children.reduce((sum, [, m, s]) => sum + 60 * Number(m) + Number(s), 0);
  return { cpu, wall: (performance.now() - began) / 1000 };
}

/** A cache of Deno's that has the packages, and nothing that was checked or compiled. */
async function emptyCache(folder: string): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { npmCache }: { npmCache: string } = JSON.parse(new TextDecoder().decode(stdout));
  await Deno.mkdir(`${folder}/deno`);
  await Deno.symlink(npmCache, `${folder}/deno/npm`);
  return `${folder}/deno`;
}

async function main({ only }: { only: string }): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "clickgan-times-" });
  try {
    const env = { MESA_SHADER_CACHE_DIR: folder, DENO_DIR: await emptyCache(folder) };
    const work = [
      ...CHECKS.map((check) => ["check", check]),
      ...folders().map((name) => ["test", `test/${name}`]),
    ]
      .map((args) => ({ name: args.join(" "), args })).filter(({ name }) => name.includes(only));
    if (work.length === 0) throw new UserError(`no part has "${only}" in its name`);
    const passes: Took[][] = [];
    for (const pass of ["cold", "warm"]) {
      const took: Took[] = [];
      for (const { name, args } of work) {
        console.error(`${pass}: ${name}`);
        took.push(await timed(args, env));
      }
      passes.push([...took, sum(took)]);
    }
    const rows = [...work.map(({ name }) => name), "all, one after another"].map((name, k) => {
      const both = passes.map((took) => took[k]);
      return [name, ...both.map((one) => one?.cpu), ...both.map((one) => one?.wall)]
        .map((cell) => typeof cell === "number" ? cell.toFixed(0) : cell ?? "");
    });
    console.log(table(["part", "CPU cold", "CPU warm", "wall cold", "wall warm"], rows));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function sum(took: readonly Took[]): Took {
  const of = (which: keyof Took) => took.reduce((all, one) => all + one[which], 0);
  return { cpu: of("cpu"), wall: of("wall") };
}

await runMain(async () => {
  const command = new Command("deno task test:special times")
    .description(
      "Runs the checks and each folder of tests twice, first from empty caches, and says what it takes.",
    )
    .option("--only <text>", "parts with this in their names", "")
    .action(main);
  await parseAndRun(command, Deno.args);
});
