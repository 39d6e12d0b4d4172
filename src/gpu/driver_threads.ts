/**
 * How many threads llvmpipe, the driver that computes on the CPU, shall have: two a core, where by itself it takes one.
 *
 * It deals the workgroups of a dispatch out to its threads evenly and for good, and the next dispatch waits for the last
 * of them. With one thread a core, whatever else runs for a moment (this program's own host code does all the time, as it
 * encodes the next steps) holds a whole dispatch up; two threads of a core fill each other's gaps. On two cores, three
 * pairs of runs of `bench:peers`: a step of W1 24.1 to 25.9 ms instead of 25.3 to 27.3, one of yelp 1.6 to 1.7 instead of
 * 1.9 to 2.15. Whole trainings on yelp took the same. Four a core are no better. Results do not depend on it, bit for bit.
 */

const VARIABLE = "LP_NUM_THREADS";
/** The variables that {@link setDriverThreads} needs permission for. */
export const DRIVER_VARIABLES: readonly string[] = [VARIABLE];
/** llvmpipe has no more. */
const MOST = 32;

/** How many. @param cores of the machine. @param own the user's setting, which comes first. */
export function threadsFor(cores: number, own?: string): string {
  return own ?? String(Math.min(MOST, 2 * cores));
}

/** The environment for a process whose driver shall have so many. */
export function driverThreads(): Record<string, string> {
  return { [VARIABLE]: threadsFor(navigator.hardwareConcurrency, Deno.env.get(VARIABLE)) };
}

/**
 * Sets them for this process, where it may; to be called before the first adapter is asked for, as the driver looks once.
 * Other drivers do not know the variable.
 */
export function setDriverThreads(): void {
  const permission = { name: "env", variable: VARIABLE } as const;
  if (Deno.permissions.querySync(permission).state !== "granted") return;
  for (const [name, value] of Object.entries(driverThreads())) Deno.env.set(name, value);
}
