/**
 * `deno task bench:pack FILE.tar.xz`: an archive with Deno, the locked packages and the repository's files, which measures
 * on a Linux machine that has neither network nor Deno. How it is used is in bench/README.md.
 */

import { Argument, Command } from "commander";
import { dirname, join, resolve } from "node:path";
import { runMain } from "../src/cli/fail.ts";
import { parseAndRun } from "../src/cli/options.ts";
import { DENO_FLAGS } from "../src/deno_flags.ts";
import { UserError } from "../src/user_error.ts";
import { isLeftOut, lockedPackages } from "./pack/contents.ts";
import { Status } from "./status.ts";

const root = new URL("../", import.meta.url).pathname;
const NAME = "clickgan-away";
/** The packages' folder in the packed cache: the host of the registry that pack/run.sh names, which nobody asks. */
const REGISTRY = "packed";
/** Of modules that are fetched before they are packed. */
const ENTRIES = ["src/mod.ts", "src/cli", "bench", "test"];

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** @throws UserError with what the command said. */
async function run(
  program: string,
  args: readonly string[],
  cwd = root,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(program, {
      args: [...args],
      cwd,
      env: { ...env },
      stdin: "null",
    }).output();
    if (success) return decode(stdout);
    throw new UserError(
      `${program} ${args.slice(0, 3).join(" ")} failed:\n${decode(stderr).trim().slice(-2000)}`,
    );
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new UserError(`Expected the program ${program}, which is not on this machine.`);
  }
}

/** The folder of a cache that has the packages, whatever its registry is called. @throws UserError without one. */
async function packagesFolder(): Promise<string> {
  const { npmCache } = JSON.parse(await run(Deno.execPath(), ["info", "--json"]));
  for await (const { name } of Deno.readDir(npmCache)) {
    if (await exists(join(npmCache, name, "valibot"))) return join(npmCache, name);
  }
  throw new UserError(`Expected the locked packages in ${npmCache}, found none.`);
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch {
    return false;
  }
}

async function modules(): Promise<string[]> {
  const files = (await run("git", ["ls-files", "--", ...ENTRIES])).split("\n");
  return files.filter((file) => file.endsWith(".ts") && !file.startsWith("src/report/client/"));
}

/** Copies a folder's files, but for those that are left out. */
async function copyPackage(name: string, from: string, to: string, below = ""): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name: entry, isDirectory } of Deno.readDir(from)) {
    const path = below + entry;
    if (isDirectory) await copyPackage(name, join(from, entry), join(to, entry), `${path}/`);
    else if (!isLeftOut(name, path)) await Deno.copyFile(join(from, entry), join(to, entry));
  }
}

async function copyPackages(from: string, to: string): Promise<void> {
  for (const { name, version } of lockedPackages(await Deno.readTextFile(join(root, "deno.lock")))) {
    // Those for other systems are locked, too, and not there.
    if (!await exists(join(from, name, version))) continue;
    await copyPackage(name, join(from, name, version), join(to, name, version));
    const registry = join(from, name, "registry.json");
    if (await exists(registry)) await Deno.copyFile(registry, join(to, name, "registry.json"));
  }
}

/** The files that git knows, as they are now. */
async function copyRepository(to: string): Promise<void> {
  for (const file of (await run("git", ["ls-files", "-z"])).split("\0")) {
    if (file === "" || !await exists(join(root, file))) continue;
    await Deno.mkdir(dirname(join(to, file)), { recursive: true });
    await Deno.copyFile(join(root, file), join(to, file));
  }
}

/** The Vulkan loader of this machine, for one that has a driver and no loader. */
async function copyLoader(to: string): Promise<void> {
  const known = (await run("sh", ["-c", "ldconfig -p || /sbin/ldconfig -p"])).match(
    /=> (\S*libvulkan\.so\.1)$/m,
  );
  if (!known?.[1]) return;
  await Deno.mkdir(to, { recursive: true });
  await Deno.copyFile(known[1], join(to, "libvulkan.so.1"));
}

async function pack(file: string): Promise<void> {
  if (Deno.build.os !== "linux") {
    throw new UserError("An archive is made on Linux, for Linux of the same processor.");
  }
  const status = new Status();
  const folder = await Deno.makeTempDir({ prefix: "clickgan-pack-" });
  const at = (...path: string[]) => join(folder, NAME, ...path);
  try {
    status.show("fetching the packages that are not here yet");
    await run(Deno.execPath(), ["cache", ...DENO_FLAGS, ...await modules()]);
    status.show("copying");
    await Deno.mkdir(at(), { recursive: true });
    await copyPackages(await packagesFolder(), at("cache", "npm", REGISTRY));
    await copyRepository(at("repository"));
    await copyLoader(at("vulkan"));
    await Deno.copyFile(Deno.execPath(), at("deno"));
    await Deno.copyFile(join(root, "bench/pack/run.sh"), at("run.sh"));
    const commit = (await run("git", ["describe", "--always", "--dirty", "--abbrev=12"])).trim();
    await Deno.writeTextFile(at("packed.txt"), `${commit}\n`);
    status.show("compressing");
    // By the file's name. Higher levels of xz take several times as long for a tenth less.
    await Deno.mkdir(dirname(resolve(file)), { recursive: true });
    await run("tar", ["--auto-compress", "-cf", resolve(file), "-C", folder, NAME], root, {
      XZ_OPT: "-T0 -2",
    });
    const { size } = await Deno.stat(file);
    status.clear();
    console.log(
      `${file}: ${(size / 2 ** 20).toFixed(0)} MiB. On the other machine: tar xf ${file} && ${NAME}/run.sh`,
    );
  } finally {
    status.clear();
    await Deno.remove(folder, { recursive: true });
  }
}

await runMain(async () => {
  const command = new Command("deno task bench:pack")
    .description(
      "Packs what measures clickgan on a Linux machine without a network: Deno, its packages, these files.",
    )
    .addArgument(new Argument("<file>", "the archive: away.tar.xz, or .tar.zst, which is quicker and larger"))
    .action(pack);
  await parseAndRun(command, Deno.args);
});
