/** Commands that the soak runs beside itself, as a user would, and what a process holds, as Linux tells it in /proc. */

import { type CommandName, startCommand } from "../command_check.ts";
import * as v from "../../src/schema.ts";

/** A command that trains until it is told to stop. */
export class LongCommand {
  readonly #child: Deno.ChildProcess;
  readonly #output: Promise<string>;
  /** Undefined while it runs. */
  code: number | undefined;

  constructor(command: CommandName, ...args: string[]) {
    this.#child = startCommand(command, ...args);
    this.#output = Promise.all([lastOf(this.#child.stdout), lastOf(this.#child.stderr)]).then((parts) =>
      parts.join("\n")
    );
    this.#child.status.then(({ code }) => this.code = code);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** As by Ctrl-C. @returns its exit code, and the end of what it said. */
  async stop(): Promise<{ code: number; output: string }> {
    if (this.code === undefined) this.#child.kill("SIGINT");
    const { code } = await this.#child.status;
    return { code, output: await this.#output };
  }
}

const KEPT = 2000;

/** The end of what a process says: of an hour's output no more is kept. */
async function lastOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  let last = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) last = (last + text).slice(-KEPT);
  return last;
}

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
