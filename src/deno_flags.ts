/**
 * Flags with which Deno runs, checks or fetches a module of this program. The tasks in deno.json have the same flags.
 *
 * Unless `nodeModulesDir` is "manual", `deno task` fetches every package of the lock file before any task. So deno.json
 * sets "manual". Each run of a module then sets "none", and Deno fetches only the packages of this module.
 */
export const DENO_FLAGS = ["--frozen", "--node-modules-dir=none", "--quiet"] as const;
