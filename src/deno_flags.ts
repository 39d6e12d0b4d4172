/**
 * Flags with which Deno runs, checks or fetches a module of this program; deno.json has the same flags.
 *
 * By default, `deno task` fetches every package of the lock file before any task; deno.json prevents this by
 * `nodeModulesDir` "manual". With "none", each run of a module fetches only the packages that it imports.
 */
export const DENO_FLAGS = ["--frozen", "--node-modules-dir=none", "--quiet"] as const;
