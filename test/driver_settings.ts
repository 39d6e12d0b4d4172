/** How Mesa's software driver compiles shaders, for tests and for users; what each setting gains is in test/README.md. */

/** As `deno task test` has it: it optimises no shader, and computes four numbers at once instead of eight, which is less code. */
export const AS_TESTS_HAVE_IT: Readonly<Record<string, string>> = {
  GALLIVM_PERF: "nopt",
  LP_NATIVE_VECTOR_WIDTH: "128",
};

/**
 * As users have it, for what a test starts. All settings or none: the driver's cache keeps optimised shaders apart, but not
 * widths, so a user's training would find there what was compiled for another width.
 */
export const AS_USERS_HAVE_IT: Readonly<Record<string, string>> = Object.fromEntries(
  Object.keys(AS_TESTS_HAVE_IT).map((name) => [name, ""]),
);
