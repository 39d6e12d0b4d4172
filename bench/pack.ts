/**
 * `deno task bench pack FILE.tar.xz`: an archive with Deno, the locked packages and the repository's files, which measures
 * on a Linux machine that has neither network nor Deno. How it is used is in bench/README.md.
 */

import { Argument, type Command } from "commander";
import { dirname, join, resolve } from "node:path";
import { DENO_FLAGS } from "../src/deno_flags.ts";
import * as v from "../src/schema.ts";
import { UserError } from "../src/user_error.ts";
import { inFolder, Status, study } from "./study.ts";

const root = new URL("../", import.meta.url).pathname;
const NAME = "clickgan-away";
/** The packages' folder in the packed cache: the host of the registry that pack/run.sh names, which nobody asks. */
const REGISTRY = "packed";
/** Of modules that are fetched before they are packed. */
const ENTRIES = ["src/mod.ts", "src/cli", "bench", "test"];

const lockSchema = v.object({ npm: v.record(v.string(), v.looseObject({})) });

/** A package of the lock file. */
export interface LockedPackage {
  /** With its scope: "@duckdb/node-api". */
  readonly name: string;
  readonly version: string;
}

/** All packages of a lock file, each version once. @throws UserError for a text that is none. */
export function lockedPackages(lock: string): LockedPackage[] {
  const parsed = v.safeParse(lockSchema, JSON.parse(lock));
  if (!parsed.success) throw new UserError("Expected deno.lock with a list of npm packages.");
  const known = new Map<string, LockedPackage>();
  for (const key of Object.keys(parsed.output.npm)) {
    // What follows an underscore is which peers it was resolved with: "4.22.0_seedrandom@3.0.5".
    const [, name = "", version = ""] = key.match(/^(@?[^@]+)@([^_]+)/) ?? [];
    known.set(`${name}@${version}`, { name, version });
  }
  return [...known.values()];
}

/** Of a package's files: those that no run reads, and those for other systems. @param path within the package. */
export function isLeftOut(name: string, path: string): boolean {
  if (/\.(map|d\.ts|d\.mts|d\.cts|md|markdown|flow)$/i.test(path)) return true;
  // Deno wants the folder of a binary for another C library, though nothing loads it.
  if (name.endsWith("-musl")) return /\.(so|node)$/.test(path);
  if (name === "webgpu") return /^dist\/(?!linux-x64\/)[\w-]+\//.test(path);
  // The tests take its plain form for the CPU.
  if (name === "onnxruntime-web") {
    return /\.(jsep|asyncify|jspi)\.|^dist\/ort\.(all|webgl|webgpu|jspi)/.test(path);
  }
  if (name === "@tensorflow/tfjs" || name.startsWith("@tensorflow/tfjs-")) {
    return /(^|\/)(miniprogram|src|demos)\//.test(path);
  }
  return false;
}

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** @throws UserError with what the command said. */
async function run(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  try {
    const { success, stdout, stderr } = await new Deno.Command(program, {
      args: [...args],
      cwd: root,
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
  using status = new Status();
  await inFolder("pack", async (folder) => {
    const at = (...path: string[]) => join(folder, NAME, ...path);
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
    await Deno.mkdir(dirname(resolve(file)), { recursive: true });
    const packed = ["--auto-compress", "-cf", resolve(file), "-C", folder, NAME]; // by the file's name
    // Higher levels of xz take several times as long for a tenth less.
    await run("tar", packed, { XZ_OPT: "-T0 -2" });
  });
  status.clear();
  const megabytes = ((await Deno.stat(file)).size / 2 ** 20).toFixed(0);
  console.log(`${file}: ${megabytes} MiB. On the other machine: tar xf ${file} && ${NAME}/run.sh`);
}

export function command(): Command {
  const about =
    "Packs what measures clickgan on a Linux machine without a network: Deno, its packages, these files.";
  return study("pack", about)
    .addArgument(new Argument("<file>", "the archive: away.tar.xz, or .tar.zst, which is quicker and larger"))
    .action(pack);
}
