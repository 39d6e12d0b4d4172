/**
 * How many threads llvmpipe, the driver that computes on the CPU, shall have: two a core, where by itself it takes one; but
 * none of its own for small steps.
 *
 * It deals the workgroups of a dispatch out to its threads evenly and for good, and the next dispatch waits for the last
 * of them. With one thread a core, whatever else runs for a moment (this program's own host code does all the time, as it
 * encodes the next steps) holds a whole dispatch up; two threads of a core fill each other's gaps. On two cores, three
 * pairs of runs of `bench:peers`: a step of W1 24.1 to 25.9 ms instead of 25.3 to 27.3, one of yelp 1.6 to 1.7 instead of
 * 1.9 to 2.15. Four a core are no better. Results do not depend on it, bit for bit.
 *
 * To wake them for a dispatch and to wait for them costs 30 to 50 us, three quarters of a tiny step's time. Without threads
 * of its own (0) the driver computes where it reads its commands, on one core, which leaves the other to the host. Two
 * cores, 64-64 units, ms a step with 4 and with 0: 8 rows 1.25 and 0.77, yelp's 227 rows 1.57 and 1.32, 500 rows 1.70 and
 * 1.55, 750 rows 2.0 and 2.0, 1,000 rows 2.2 and 2.5.
 */

const VARIABLE = "LP_NUM_THREADS";
/** The variables that {@link setDriverThreads} needs permission for. */
export const DRIVER_VARIABLES: readonly string[] = [VARIABLE];
/** llvmpipe has no more. */
const MOST = 32;

/** FLOPs up to which a step is small: about 600 rows through hidden layers of 64-64. */
const SMALL_STEP = 1.6e7;

/**
 * How many. @param cores of the machine. @param own the user's setting, which comes first.
 * @param flops of a training step, if it is known
 */
export function threadsFor(cores: number, own?: string, flops = Infinity): string {
  return own ?? (flops < SMALL_STEP ? "0" : String(Math.min(MOST, 2 * cores)));
}

/** The environment for a process whose driver shall have so many. */
export function driverThreads(flops?: number): Record<string, string> {
  return { [VARIABLE]: threadsFor(navigator.hardwareConcurrency, Deno.env.get(VARIABLE), flops) };
}

/**
 * Sets them for this process, where it may; to be called before the first adapter is asked for, as the driver looks once.
 * Other drivers do not know the variable.
 */
export function setDriverThreads(flops?: number): void {
  const permission = { name: "env", variable: VARIABLE } as const;
  if (Deno.permissions.querySync(permission).state !== "granted") return;
  for (const [name, value] of Object.entries(driverThreads(flops))) Deno.env.set(name, value);
}
