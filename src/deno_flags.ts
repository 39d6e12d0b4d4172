/**
 * Flags with which Deno runs, checks or fetches a module of this program; the tasks of deno.json have the same.
 *
 * `deno task` fetches every package of the lock file, whatever the task, unless `nodeModulesDir` is "manual". So deno.json sets
 * "manual", and each run of a module sets "none" again: then the packages of that module are fetched, and no others.
 */
export const DENO_FLAGS = ["--frozen", "--node-modules-dir=none", "--quiet"] as const;
