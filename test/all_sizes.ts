/**
 * True if sweeps over sizes test all sizes (`deno task test:special sizes`). Otherwise sweeps test only the
 * sizes that find every mistake in a kernel, because the driver compiles each size separately.
 */
export const allSizes = Deno.env.get("ALL_SIZES") === "yes";

/** Returns sizes of a sweep: those of each run, and with {@link allSizes} the other ones as well. */
export function sweep<T>(each: readonly T[], others: readonly T[]): readonly T[] {
  return allSizes ? [...each, ...others] : each;
}
