/** Commands that the soak runs beside itself, as a user would. */

import { type CommandName, startCommand } from "../command_check.ts";

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
