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
 * 0.84, 500 rows 0.91, 750 rows 1, 1,000 rows 1.14. So it is for steps alone; a whole training on yelp with its validations
 * (890 rows' worth an iteration) takes 0.94 of the time and 0.72 of the CPU, one of 1,900 rows' worth 1.1 of the time.
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

/** FLOPs up to which a step with its share of the validation is small: about 1,000 rows through hidden layers of 64-64. */
const SMALL_STEP = 3e7;

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
  for (const [name, value] of Object.entries(driverThreads(flops))) Deno.env.set(name, value);
  return {
    [Symbol.dispose]: () => own === undefined ? Deno.env.delete(VARIABLE) : Deno.env.set(VARIABLE, own),
  };
}
