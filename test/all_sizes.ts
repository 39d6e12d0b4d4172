/**
 * True if sweeps over sizes test all sizes (`deno task test:special sizes`). Otherwise sweeps test only the
 * sizes that find every mistake in a kernel, because the driver compiles each size separately.
 */
export const allSizes = Deno.env.get("ALL_SIZES") === "yes";

/** Returns the sizes to test: `each` in every run, and also `others` with {@link allSizes}. */
export function sweep<T>(each: readonly T[], others: readonly T[]): readonly T[] {
  return allSizes ? [...each, ...others] : each;
}
