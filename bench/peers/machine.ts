/** The machine, in a few words. Takes --allow-sys=cpus. */

import { cpus } from "node:os";

export function machineText(): string {
  const cores = cpus();
  const model = cores[0]?.model.trim() || "unknown processor";
  return `${model}, ${cores.length} logical core(s), ${Deno.build.os} ${Deno.build.arch}, Deno ${Deno.version.deno}`;
}
