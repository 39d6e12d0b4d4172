/**
 * Sets the number of threads of a software adapter's driver. Reads the version of the driver, which WebGPU
 * does not report, from the file system where possible.
 *
 * llvmpipe, the driver that computes on the CPU, starts one thread per core by default. clickgan sets two
 * threads per core for large steps. For small steps, and if a process has only one core (`--jobs`), clickgan
 * sets 0 threads: the driver then computes on the thread that reads its commands. The number of threads does
 * not change the bits of results.
 *
 * Why two threads per core: llvmpipe divides the workgroups of a dispatch evenly among its threads, and the
 * next dispatch waits for the slowest thread. clickgan's host code encodes the next steps on one of the
 * cores, which delays the driver's thread on that core. With two threads per core, the operating system can
 * move waiting threads to another core. Measured on two cores (three pairs of runs of `bench peers`): two
 * threads per core shorten a step of workload W1 (bench/README.md) by 5 %, and a step on yelp by about 18 %.
 * Four threads per core are no faster than two.
 *
 * Why 0 threads for small steps: in a tiny step, the driver spends three quarters of the time on waking its
 * threads and waiting for them. Measured on two cores, with two layers of 64 units: 0 threads instead of 4
 * shorten a step with 8 rows by 38 % and a step with 500 rows by 9 %, make no difference with 750 rows, and
 * lengthen a step with 1,000 rows by 14 %. A whole training on yelp (890 rows per iteration) with 0 threads
 * takes 6 % less time and 28 % less CPU time, but one with 1,900 rows per iteration takes 10 % more time.
 */

import { Buffer } from "node:buffer";

const VARIABLE = "LP_NUM_THREADS";
/** Environment variable: number of cores that a process may use; by default all cores of the machine. */
export const CORES_VARIABLE = "CLICKGAN_CORES";
/** Environment variables that {@link setDriverThreads} must be permitted to access. */
const DRIVER_VARIABLES: readonly string[] = [VARIABLE, CORES_VARIABLE];
/** Largest number of threads that llvmpipe can use. */
const MOST = 32;

/** Steps with fewer FLOPs (about those of 900 rows and two layers of 64 units) get 0 driver threads. */
const SMALL_STEP = 3e7;

/** Chooses the number of llvmpipe's threads. @param own - the user's setting @param flops - FLOPs per step */
export function chooseDriverThreads(cores: number, own?: string, flops = Infinity): string {
  return own ?? (flops < SMALL_STEP || cores === 1 ? "0" : String(Math.min(MOST, 2 * cores)));
}

export function buildDriverEnvironment(flops?: number): Record<string, string> {
  const cores = Number(Deno.env.get(CORES_VARIABLE)) || navigator.hardwareConcurrency;
  return { [VARIABLE]: chooseDriverThreads(cores, Deno.env.get(VARIABLE), flops) };
}

/**
 * Sets the driver's number of threads by an environment variable, if permitted. Call this before the first
 * adapter is requested, because the driver reads the variable only then. Disposing the result restores the
 * variable, because a child process would mistake it for the user's setting.
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

/** Returns the driver's version, such as "Mesa 25.0.7" or "NVIDIA 550.54.14", or else "unknown". */
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
    // On another operating system, or without permission, the version stays unknown.
  }
  return "unknown";
}

/** Finds the version in a Mesa library, which contains a text such as "Mesa 25.0.7-2+deb13u1". */
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

/** Finds the version in a file. Reading the file in parts is several times as fast as one read. */
export function findVersionInFile(path: string): string | undefined {
  using file = Deno.openSync(path);
  const bytes = Buffer.alloc(CHUNK);
  let kept = 0; // bytes kept from the previous part, which may contain the beginning of the text
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
