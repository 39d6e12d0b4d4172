/**
 * The driver behind an adapter: its version, which WebGPU does not tell, but the file system does in common cases; and how
 * many threads it gets.
 *
 * llvmpipe, the driver that computes on the CPU, by itself takes one thread a core. Here it gets two a
 * core, or for small steps none of its own. Results do not depend on it, bit for bit.
 *
 * Why two a core: llvmpipe divides the workgroups of a dispatch evenly among its threads, once, and the next dispatch waits
 * for the slowest thread. With one thread a core, anything else that runs for a moment delays a whole dispatch. The host
 * code of this program runs all the time, as it encodes the next steps. Two threads of a core fill each other's gaps. On two
 * cores, by three pairs of runs of `bench peers`, a step of W1 takes 5 % less, one of yelp some 18 % less. Four a core are no
 * better.
 *
 * Why none for small steps: to wake threads for a dispatch and to wait for them costs three quarters of a tiny step's
 * time. Without threads of its own (0) the driver computes on the thread that reads its commands. That leaves the
 * other core to the host. Two cores, 64-64 units, the time of a step with 0 threads beside 4: 8 rows 0.62, yelp's 227 rows
 * 0.84, 500 rows 0.91, 750 rows 1, 1,000 rows 1.14. So it is for steps alone; a whole training on yelp with its validations
 * (890 rows' worth an iteration) takes 0.94 of the time and 0.72 of the CPU, one of 1,900 rows' worth 1.1 of the time.
 *
 * None, too, for a process that has one core, as beside others (`--jobs`): there is no second one whose gaps could be filled.
 */

import { Buffer } from "node:buffer";

const VARIABLE = "LP_NUM_THREADS";
/** Cores of a process that has others beside it; without it, all of the machine. */
export const CORES_VARIABLE = "CLICKGAN_CORES";
/** The variables that {@link setDriverThreads} needs permission for. */
export const DRIVER_VARIABLES: readonly string[] = [VARIABLE, CORES_VARIABLE];
/** The most that llvmpipe takes. */
const MOST = 32;

/** FLOPs up to which a step with its share of the validation is small: about 1,000 rows through hidden layers of 64-64. */
const SMALL_STEP = 3e7;

/**
 * How many threads. @param cores of the machine. @param own the user's setting, which comes first.
 * @param flops of a training step, if it is known
 */
export function chooseDriverThreads(cores: number, own?: string, flops = Infinity): string {
  return own ?? (flops < SMALL_STEP || cores === 1 ? "0" : String(Math.min(MOST, 2 * cores)));
}

/** The environment for a process whose driver gets so many. */
export function buildDriverEnvironment(flops?: number): Record<string, string> {
  const cores = Number(Deno.env.get(CORES_VARIABLE)) || navigator.hardwareConcurrency;
  return { [VARIABLE]: chooseDriverThreads(cores, Deno.env.get(VARIABLE), flops) };
}

/**
 * Sets them for this process, if it has the permission, until the result is disposed. Call it before the first adapter is
 * asked for: the driver reads the variable once. Other drivers do not know it.
 *
 * The variable does not stay: a process that this one starts would take it for the user's own.
 */
export function setDriverThreads(flops?: number): Disposable {
  const isGranted = (variable: string) =>
    Deno.permissions.querySync({ name: "env", variable }).state === "granted";
  if (!DRIVER_VARIABLES.every(isGranted)) return { [Symbol.dispose]: () => {} };
  const own = Deno.env.get(VARIABLE);
  for (const [name, value] of Object.entries(buildDriverEnvironment(flops))) Deno.env.set(name, value);
  return {
    [Symbol.dispose]: () => own === undefined ? Deno.env.delete(VARIABLE) : Deno.env.set(VARIABLE, own),
  };
}

const MESA_MANIFESTS = "/usr/share/vulkan/icd.d";

/** E.g. "Mesa 25.0.7" for llvmpipe or "NVIDIA 550.54.14"; "unknown" where it cannot be found out. */
export async function readDriverVersion(adapter: string): Promise<string> {
  try {
    if (/nvidia/i.test(adapter)) {
      const text = await Deno.readTextFile("/proc/driver/nvidia/version");
      const version = text.match(/\b\d+\.\d+(\.\d+)?\b/);
      if (version) return `NVIDIA ${version[0]}`;
    }
    if (/llvmpipe/i.test(adapter)) {
      for await (const { name } of Deno.readDir(MESA_MANIFESTS)) {
        if (!name.startsWith("lvp_icd")) continue;
        const manifest = await Deno.readTextFile(`${MESA_MANIFESTS}/${name}`);
        const library: unknown = JSON.parse(manifest)?.ICD?.library_path;
        if (typeof library !== "string") continue;
        const version = mesaVersion(library);
        if (version) return version;
      }
    }
  } catch {
    // Not this system, or not for us to read: it stays unknown.
  }
  return "unknown";
}

/** A Mesa library carries its version as text, "Mesa 25.0.7-2+deb13u1" or the like. */
function mesaVersion(library: string): string | undefined {
  const folders = library.startsWith("/")
    ? [""]
    : ["/usr/lib/x86_64-linux-gnu/", "/usr/lib/aarch64-linux-gnu/", "/usr/lib/", "/usr/lib64/"];
  for (const folder of folders) {
    try {
      const version = findVersionInFile(folder + library);
      if (version) return version;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return undefined;
}

const NAME = "Mesa ";
const VERSION = /^Mesa \d+\.\d+\.\d+[-+\w.]*/;
const LONGEST = 64;
const CHUNK = 1 << 18;

/** Looks for it a part of the file at a time: as one text, its 20 MB take several times as long, at the start of every run. */
export function findVersionInFile(path: string): string | undefined {
  using file = Deno.openSync(path);
  const bytes = Buffer.alloc(CHUNK);
  let kept = 0; // of the part before: the text may begin there
  let cutOff: string | undefined;
  for (;;) {
    const read = file.readSync(bytes.subarray(kept));
    if (read === null) return cutOff;
    const size = kept + read;
    const part = bytes.toString("latin1", 0, size); // strings are searched ten times as fast as bytes
    for (let at = part.indexOf(NAME); at >= 0; at = part.indexOf(NAME, at + 1)) {
      const [version] = part.slice(at, at + LONGEST).match(VERSION) ?? [];
      if (version && at + LONGEST <= size) return version;
      cutOff = version ?? cutOff;
    }
    kept = Math.min(LONGEST, size);
    bytes.copyWithin(0, size - kept, size);
  }
}
