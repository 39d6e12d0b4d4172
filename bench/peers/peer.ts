/** What a peer is: something that trains, in a process of its own that says lines of JSON behind a mark. As in protocol.py. */

import * as v from "../../src/schema.ts";

export interface Peer {
  /**
   * Takes this many more steps, each from the weights that the one before left, and waits until the last is done.
   * @returns the loss of the last step's batch before its update.
   */
  run(steps: number): Promise<number>;
  /** What it runs on, where there is something to say. */
  readonly note?: string;
}

/** A peer cannot do this job, for a reason that belongs in the table. */
export class UnsupportedJobError extends Error {}

/** The rate of step t = 1, 2, ... of Adam in TensorFlow's form: lr sqrt(1 - b2^t) / (1 - b1^t). */
export { adamRate } from "../../src/ops/adam.ts";
export const adam = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;

/** Libraries write to standard output too. */
export const MARK = "@peer ";

const messageSchema = v.union([
  /** Everything is made; with what it runs on, or nothing. */
  v.object({ ready: v.string() }),
  /** Steps are done: how long they took together, and the last one's loss; null for one that is no finite number. */
  v.object({ ms: v.finiteNumber(), loss: v.nullable(v.finiteNumber()) }),
  /** Why it ends. */
  v.object({ failed: v.string(), cannot: v.boolean() }),
]);
export type PeerMessage = v.InferOutput<typeof messageSchema>;

/** The message of a line; nothing for a line that is none. */
function readMessage(line: string): PeerMessage | undefined {
  if (!line.startsWith(MARK)) return undefined;
  return v.parse(messageSchema, JSON.parse(line.slice(MARK.length)));
}

/** How a peer is started. */
export interface PeerCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Some machines set these for other programs' sake, to kernels or a cache that are not the processor's. OpenBLAS, whose
 * matrix products PyTorch uses, is to choose by itself.
 */
const LEFT_OUT = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"];

/** The environment of a peer: this one's, without what would slow it. @param own variables of the peer, which count. It is the whole environment: start the process with `clearEnv`. */
function peerEnvironment(own: Readonly<Record<string, string>>): Record<string, string> {
  const around = Object.entries(Deno.env.toObject()).filter(([name]) =>
    !LEFT_OUT.includes(name.toUpperCase())
  );
  return { ...Object.fromEntries(around), ...own, NO_COLOR: "1" };
}

/** What a number of steps took together. */
export interface PeerTiming {
  readonly ms: number;
  /** Of the last step; NaN where it is no number. */
  readonly loss: number;
}

/** A peer in a process of its own, which waits for its turn. */
export class PeerProcess {
  readonly #child: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #errors: Promise<string>;
  /** What it runs on, or nothing. */
  note = "";

  private constructor({ program, args, environment }: PeerCommand) {
    this.#child = new Deno.Command(program, {
      args: [...args],
      env: peerEnvironment(environment),
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#lines = readLines(this.#child.stdout);
    this.#input = this.#child.stdin.getWriter();
    this.#errors = new Response(this.#child.stderr).text();
  }

  /**
   * Starts it and waits until it has made everything. @param seconds that it may take.
   * @throws UnsupportedJobError with the reason when it cannot. @throws Error when it fails.
   */
  static async start(command: PeerCommand, seconds: number): Promise<PeerProcess> {
    const peer = new PeerProcess(command);
    try {
      const message = await peer.#answer(seconds);
      if (!("ready" in message)) throw new Error("a peer answered out of turn");
      peer.note = message.ready;
      return peer;
    } catch (error) {
      peer.stop();
      throw error;
    }
  }

  /**
   * Takes steps, each from where the last one ended. @param seconds that they may take. @param kind of them, where a peer has
   * several. @throws as {@link start}.
   */
  async run(steps: number, seconds: number, kind?: string): Promise<PeerTiming> {
    await this.#input.write(
      new TextEncoder().encode(kind === undefined ? `${steps}\n` : `${steps} ${kind}\n`),
    );
    const message = await this.#answer(seconds);
    if (!("ms" in message)) throw new Error("a peer answered out of turn");
    return { ms: message.ms, loss: message.loss ?? NaN };
  }

  async #answer(seconds: number): Promise<PeerMessage> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.stop();
        reject(new UnsupportedJobError(`took more than ${seconds} s`));
      }, 1000 * seconds);
    });
    try {
      return await Promise.race([this.#nextMessage(), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #nextMessage(): Promise<PeerMessage> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) break;
      const message = readMessage(value);
      if (!message) continue;
      if (!("failed" in message)) return message;
      throw message.cannot ? new UnsupportedJobError(message.failed) : new Error(message.failed);
    }
    const { code, signal } = await this.#child.status;
    const last = (await this.#errors).trim().split("\n").at(-1) ?? "";
    throw new Error(`ended with ${signal ?? `exit code ${code}`}${last && `: ${last}`}`);
  }

  stop(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
}

async function* readLines(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string, void, void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
