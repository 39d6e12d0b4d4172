/**
 * What Deno is told whenever a module of this program is run, checked or fetched; the tasks of deno.json say the same.
 *
 * `deno task` itself fetches every package of the lock file, whatever the task, unless packages are said to be in a
 * folder that somebody else fills. So deno.json says that ("manual"), and whoever runs a module takes it back ("none"):
 * then the packages of that module are fetched, and no others.
 */
export const DENO_FLAGS = ["--frozen", "--node-modules-dir=none", "--quiet"] as const;
