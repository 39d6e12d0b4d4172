/** What `deno task ok` takes as a whole: in a fresh clone of what is committed, with empty caches, and again with full ones. */

import { markdownTable } from "../../src/run/markers.ts";
import { UserError } from "../../src/user_error.ts";
import { timed, type Took } from "./timed.ts";

export const WHOLE_MARKERS = "test times whole";

/** @param rounds fresh clones, one after another. @returns Markdown. @throws UserError where a run fails. */
export async function wholeTable(rounds: number): Promise<string> {
  const cold: Took[] = [];
  const warm: Took[] = [];
  const commit = await git(["log", "-1", "--format=%h of %cs"]);
  for (let round = 1; round <= rounds; round++) {
    const folder = await Deno.makeTempDir({ prefix: "clickgan-whole-" });
    try {
      const clone = `${folder}/clickgan`;
      await git(["clone", "--quiet", new URL("../..", import.meta.url).pathname, clone]);
      const env = await emptyCaches(folder);
      for (const [name, took] of [["empty caches", cold], ["again", warm]] as const) {
        console.error(`clone ${round} of ${rounds}, ${name}: deno task ok`);
        took.push(await timed(["ok"], env, clone));
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }
  const row = (name: string, took: readonly Took[]) => [
    ...[name, took.map(({ wall }) => minutes(wall)).join(", ")],
    took.map(({ cpu }) => (cpu / 60).toFixed(1)).join(", "),
  ];
  const passed = /(\d+) passed/.exec(warm.at(-1)?.printed ?? "")?.[1] ?? "-";
  return [
    `Commit ${commit}, ${navigator.hardwareConcurrency} cores, Deno ${Deno.version.deno}; ${passed} tests.`,
    "",
    ...markdownTable(["", "wall", "minutes of CPU"], [
      row("fresh clone, empty caches", cold),
      row("run again", warm),
    ]),
  ].join("\n");
}

/** Of Deno, of its packages and of the driver. */
async function emptyCaches(folder: string): Promise<Record<string, string>> {
  const home = `${folder}/home`;
  await Deno.mkdir(home);
  return {
    HOME: home,
    XDG_CACHE_HOME: `${home}/.cache`,
    DENO_DIR: `${folder}/deno`,
    MESA_SHADER_CACHE_DIR: `${home}/.cache`,
  };
}

async function git(args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("git", { args: [...args] }).output();
  if (!success) {
    throw new UserError(`git ${args.join(" ")} failed: ${new TextDecoder().decode(stderr).trim()}`);
  }
  return new TextDecoder().decode(stdout).trim();
}

/** 4 min 5 s */
function minutes(seconds: number): string {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
