/** What a process holds, as Linux tells it in /proc. */

import * as v from "../../src/schema.ts";

const MIB = 2 ** 20;

/** Of one process at one moment; memory in MiB. */
export interface ProcessSample {
  /** All that is resident. */
  readonly resident: number;
  /**
   * Of that, what is the process's own: without mapped files, which the system drops and reads again as it likes. It is
   * what a leak would grow.
   */
  readonly own: number;
  /** Of that, what is shared between processes by name: where the software driver llvmpipe keeps the GPU's memory. */
  readonly shared: number;
  readonly threads: number;
  readonly handles: number;
}

const field = v.pipe(v.pipe(v.string(), v.regex(/^\d+( kB)?$/)), v.transform((text) => parseInt(text)));
const statusSchema = v.object({ RssAnon: field, RssFile: field, RssShmem: field, Threads: field });

/** Undefined for a process that is no longer there. */
export function sampleProcess(pid: number): ProcessSample | undefined {
  try {
    const lines = Deno.readTextFileSync(`/proc/${pid}/status`).split("\n");
    const fields = lines.map((line) => line.split(":").map((part) => part.trim()));
    const status = v.safeParse(statusSchema, Object.fromEntries(fields));
    if (!status.success) return undefined; // a process that has just ended has no memory to tell of
    const { RssAnon, RssFile, RssShmem, Threads } = status.output;
    const mib = (kib: number) => 1024 * kib / MIB;
    return {
      resident: mib(RssAnon + RssFile + RssShmem),
      own: mib(RssAnon + RssShmem),
      shared: mib(RssShmem),
      threads: Threads,
      handles: [...Deno.readDirSync(`/proc/${pid}/fd`)].length,
    };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || isGone(error)) return undefined;
    throw error;
  }
}

/** ESRCH: it ended while its files were read. */
function isGone(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ESRCH";
}
