/** Where the lab can be run on this machine: in Chromium, and its worker in Deno, on the same drivers where that can be done. */

import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { GPU_ENVIRONMENT } from "../../src/cli/setup.ts";
import { DENO_FLAGS } from "../../src/deno_flags.ts";
import { buildLab } from "../../src/lab/build.ts";
import { bundle } from "../../src/serve/bundle/bundle.ts";
import { UserError } from "../../src/user_error.ts";
import { findChromium } from "../../test/chromium.ts";
import { WHOLE_WORKER } from "./trial.ts";

export const sideNames = ["chromium", "deno", "deno-swiftshader"] as const;
export type SideName = typeof sideNames[number];

/** Where Chromium's software driver lies beside a browser that was not asked for by its path. */
const BROWSER_FOLDERS = ["/usr/lib/chromium", "/usr/lib/chromium-browser", "/opt/google/chrome"];
const SWIFTSHADER = "vk_swiftshader_icd.json";

/** The file that names Chromium's software driver to a Vulkan loader: with it Deno takes that driver. @throws UserError without one. */
async function swiftshaderManifest(chromium: string): Promise<string> {
  const folders = [dirname(await Deno.realPath(chromium)), ...BROWSER_FOLDERS];
  for (const folder of folders) {
    const file = `${folder}/${SWIFTSHADER}`;
    if (await Deno.stat(file).then(() => true, () => false)) return file;
  }
  throw new UserError(`Expected ${SWIFTSHADER} beside Chromium, in ${folders.join(" or ")}, found none.`);
}

/** The environment of a process of Deno on that side. */
export async function environmentOf(side: SideName, chromium: string): Promise<Record<string, string>> {
  // What a driver has compiled before is not to count: Chromium's profile is a new one each time, too.
  const own = { ...GPU_ENVIRONMENT, MESA_SHADER_CACHE_DISABLE: "true", NO_COLOR: "1" };
  return side === "deno-swiftshader" ? { ...own, VK_DRIVER_FILES: await swiftshaderManifest(chromium) } : own;
}

const scriptAt = (script: string) => new URL(`./${script}`, import.meta.url).href;

/**
 * Runs a script of this folder in a process of its own. A browser's driver looks at places of the system that no permission
 * but all covers.
 * @param within ends it. @param onLine hears what it says on standard error. @returns what it printed. @throws UserError with the end of what it said
 */
export async function runScript(
  script: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  within?: AbortSignal,
  onLine: (line: string) => void = () => {},
): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", ...DENO_FLAGS, "--no-prompt", "--allow-all", scriptAt(script), ...args],
    env: { ...env },
    signal: within,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const said: string[] = [];
  const listen = async () => {
    for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
      said.push(text);
      for (const line of text.split("\n").filter((line) => line !== "")) onLine(line);
    }
  };
  const [stdout, , { success }] = await Promise.all([
    new Response(child.stdout).text(),
    listen(),
    child.status,
  ]);
  if (success) return stdout;
  if (within?.aborted) {
    throw new UserError(`${script} took too long. It said:\n${said.join("").trim().slice(-1000)}`);
  }
  throw new UserError(said.join("").trim().slice(-2000) || `${script} has failed, and said nothing.`);
}

/** Which browser the benches of the lab take. @param named by the user, if any. @throws UserError where there is none */
export async function chromiumOr(named: string | undefined): Promise<string> {
  if (named !== undefined) return named;
  const found = await findChromium();
  if (typeof found === "string") return found;
  throw new UserError(`Expected Chromium: ${found.missing} Or name one by --chromium.`);
}

/** The page as it is shipped, and {@link WHOLE_WORKER}. */
export async function writeLab(folder: string): Promise<void> {
  const { files, wholeWorker } = await buildLab();
  for (const [name, text] of [...files, [WHOLE_WORKER, wholeWorker] as const]) {
    await Deno.writeTextFile(`${folder}/${name}`, text);
  }
}

/** The same with workers that count, and page.js to run before the page. */
export async function writeTrialFiles(folder: string): Promise<void> {
  await writeLab(folder);
  const part = async (name: string) => {
    const entry = fileURLToPath(new URL(`./${name}`, import.meta.url));
    return (await bundle({ entry, format: "iife" })).text;
  };
  const before = await part("worker_part.ts");
  for (const worker of ["worker.js", WHOLE_WORKER].map((name) => `${folder}/${name}`)) {
    await Deno.writeTextFile(worker, `${before}\n${await Deno.readTextFile(worker)}`);
  }
  await Deno.writeTextFile(`${folder}/page.js`, await part("page_part.ts"));
}
