/**
 * True if tests use all sizes (`deno task test:special sizes`). By default tests use only sizes at which a
 * kernel's code changes, because the driver compiles each size separately.
 */
export const allSizes = Deno.env.get("ALL_SIZES") === "yes";

/** Returns the sizes to test: `each`, and with {@link allSizes} also `others`. */
export function sweep<T>(each: readonly T[], others: readonly T[]): readonly T[] {
  return allSizes ? [...each, ...others] : each;
}
