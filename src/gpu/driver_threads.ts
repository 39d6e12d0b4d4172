/**
 * How many threads llvmpipe, the driver that computes on the CPU, shall have: two a core, where by itself it takes one.
 *
 * It deals the workgroups of a dispatch out to its threads evenly and for good, and the next dispatch waits for the last
 * of them. With one thread a core, whatever else runs for a moment (this program's own host code does all the time, as it
 * encodes the next steps) holds a whole dispatch up. On two cores the two threads of a core fill each other's gaps: a step
 * of 26 ms takes 24.5, one of 2.0 ms takes 1.6. Four a core are no better. Results do not depend on it, bit for bit.
 */

const VARIABLE = "LP_NUM_THREADS";
/** llvmpipe has no more. */
const MOST = 32;

/** The environment for a process whose driver shall have so many; the user's own setting comes first. */
export function driverThreads(): Record<string, string> {
  return { [VARIABLE]: Deno.env.get(VARIABLE) ?? String(Math.min(MOST, 2 * navigator.hardwareConcurrency)) };
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
/** The variable that {@link setDriverThreads} needs permission for. */
export const DRIVER_VARIABLES: readonly string[] = [VARIABLE];
