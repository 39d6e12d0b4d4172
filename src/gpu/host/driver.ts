/**
 * The driver of an adapter: its version, which WebGPU does not report but the file system does in common cases, and its
 * number of threads.
 *
 * llvmpipe, the driver that computes on the CPU, starts one thread per core by default. This program gives it two threads per
 * core, or none for small steps. Results do not depend on it, bit for bit.
 *
 * Why two per core: llvmpipe divides the workgroups of a dispatch evenly among its threads, once, and the next dispatch waits
 * for the slowest thread. With one thread per core, anything else that runs for a moment delays a whole dispatch, and the
 * host code of this program runs all the time, as it encodes the next steps. Two threads on a core fill each other's gaps. On
 * two cores (three pairs of runs of `bench peers`) a step of W1 takes 5 % less, one of yelp some 18 % less. Four per core are
 * no better.
 *
 * Why none for small steps: waking threads for a dispatch and waiting for them costs three quarters of a tiny step's time.
 * Without threads of its own (0) the driver computes on the thread that reads its commands, and the other core is free for
 * the host. Time of a step with 0 threads relative to 4, on two cores with 64-64 units: 8 rows 0.62, yelp's 227 rows 0.84,
 * 500 rows 0.91, 750 rows 1, 1,000 rows 1.14. A whole training on yelp with its validations (work of 890 rows per iteration)
 * takes 0.94 of the time and 0.72 of the CPU time; one of 1,900 rows per iteration takes 1.1 of the time.
 *
 * Also none for a process with one core (`--jobs`): there is no second core whose gaps could be filled.
 */

import { Buffer } from "node:buffer";

const VARIABLE = "LP_NUM_THREADS";
/** Cores of a process that runs in parallel with others; by default all cores of the machine. */
export const CORES_VARIABLE = "CLICKGAN_CORES";
/** The variables that {@link setDriverThreads} needs permission for. */
const DRIVER_VARIABLES: readonly string[] = [VARIABLE, CORES_VARIABLE];
/** Largest number of threads of llvmpipe. */
const MOST = 32;

/** Largest number of FLOPs of a small step with its share of the validation: about 1,000 rows through 64-64 units. */
const SMALL_STEP = 3e7;

/** @param own the user's setting, which takes precedence. @param flops of a training step, if known. */
export function chooseDriverThreads(cores: number, own?: string, flops = Infinity): string {
  return own ?? (flops < SMALL_STEP || cores === 1 ? "0" : String(Math.min(MOST, 2 * cores)));
}

/** Returns the environment that sets the driver's threads for a process. */
export function buildDriverEnvironment(flops?: number): Record<string, string> {
  const cores = Number(Deno.env.get(CORES_VARIABLE)) || navigator.hardwareConcurrency;
  return { [VARIABLE]: chooseDriverThreads(cores, Deno.env.get(VARIABLE), flops) };
}

/**
 * Sets the driver's threads for this process, if it has the permission, until the result is disposed. Call it before the
 * first adapter is requested, because the driver reads the variable once. The variable is removed again: a process that this
 * one starts would take it for the user's setting.
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

/** Returns e.g. "Mesa 25.0.7" for llvmpipe or "NVIDIA 550.54.14"; "unknown" if it is not found. */
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
        const version = findMesaVersion(library);
        if (version) return version;
      }
    }
  } catch {
    // Another system, or no permission: the version stays unknown.
  }
  return "unknown";
}

/** Finds the version in a Mesa library, which holds it as text: "Mesa 25.0.7-2+deb13u1" or the like. */
function findMesaVersion(library: string): string | undefined {
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

/** Searches a file part by part: as one text, its 20 MB would take several times as long, at the start of every run. */
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
