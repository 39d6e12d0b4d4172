/**
 * How many threads llvmpipe gets, the driver that computes on the CPU. By itself it takes one a core. Here it gets two a
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
 * 0.84, 500 rows 0.91, 750 rows 1, 1,000 rows 1.14.
 *
 * None, too, for a process that has one core, as beside others (`--jobs`): there is no second one whose gaps could be filled.
 */

const VARIABLE = "LP_NUM_THREADS";
/** Cores of a process that has others beside it; without it, all of the machine. */
export const CORES_VARIABLE = "CLICKGAN_CORES";
/** The variables that {@link setDriverThreads} needs permission for. */
export const DRIVER_VARIABLES: readonly string[] = [VARIABLE, CORES_VARIABLE];
/** The most that llvmpipe takes. */
const MOST = 32;

/** FLOPs up to which a step is small: about 600 rows through hidden layers of 64-64. */
const SMALL_STEP = 1.6e7;

/**
 * How many threads. @param cores of the machine. @param own the user's setting, which comes first.
 * @param flops of a training step, if it is known
 */
export function threadsFor(cores: number, own?: string, flops = Infinity): string {
  return own ?? (flops < SMALL_STEP || cores === 1 ? "0" : String(Math.min(MOST, 2 * cores)));
}

/** The environment for a process whose driver gets so many. */
export function driverThreads(flops?: number): Record<string, string> {
  const cores = Number(Deno.env.get(CORES_VARIABLE)) || navigator.hardwareConcurrency;
  return { [VARIABLE]: threadsFor(cores, Deno.env.get(VARIABLE), flops) };
}

/**
 * Sets them for this process, if it has the permission. Call it before the first adapter is asked for: the driver reads the
 * variable once. Other drivers do not know it.
 */
export function setDriverThreads(flops?: number): void {
  const isGranted = (variable: string) =>
    Deno.permissions.querySync({ name: "env", variable }).state === "granted";
  if (!DRIVER_VARIABLES.every(isGranted)) return;
  for (const [name, value] of Object.entries(driverThreads(flops))) Deno.env.set(name, value);
}
