/**
 * Whether sweeps take all of their sizes and variants, as `deno task test:special sizes` has it, or those without which a mistake
 * in a kernel could go unnoticed: each further size is a text of its own for the driver to compile.
 */
export const allSizes = Deno.env.get("ALL_SIZES") === "yes";
