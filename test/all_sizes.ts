/**
 * True if sweeps take all sizes (`deno task test:special sizes`). Otherwise they take those that find every
 * mistake in a kernel, because the driver compiles each further size separately.
 */
export const allSizes = Deno.env.get("ALL_SIZES") === "yes";
