/**
 * Flags with which Deno runs, checks or fetches modules of this program. deno.json has these flags, too.
 *
 * By default, `deno task` first fetches all packages of the lock file; `nodeModulesDir` "manual" in deno.json
 * prevents this. With `--node-modules-dir=none`, running a module fetches only the packages that it imports.
 */
export const DENO_FLAGS = ["--frozen", "--node-modules-dir=none", "--quiet"] as const;
