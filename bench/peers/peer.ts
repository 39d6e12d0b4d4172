/** Starts and runs a peer: a program that trains in its own process and prints JSON. See protocol.py. */

import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { adamRate } from "../../src/ops/adam.ts";
import * as v from "../../src/schema.ts";

export interface Peer {
  /** Runs more training steps. @returns the loss of the last step, computed before its update. */
  run(steps: number): Promise<number>;
  /** Platform that the peer reports, such as its version and threads. */
  readonly note?: string;
}

export class UnsupportedJobError extends Error {}

/** Names of the backends of jax-js and TensorFlow.js. */
export const backends = ["wasm", "webgpu"] as const;
export type Backend = typeof backends[number];

/**
 * Returns a peer's function `run`, which reads back only the last step's loss. Step t = 1, 2, ... takes batch
 * (t - 1) modulo the number of batches.
 * @param step - `rate`: learning rate with Adam's bias correction @param read - reads and disposes of a loss
 */
export function createRunner<Batch, Loss extends { dispose(): void }>(
  learningRate: number,
  batches: readonly Batch[],
  step: (batch: Batch, rate: number) => Loss,
  read: (loss: Loss) => Promise<number>,
): Peer["run"] {
  let t = 0;
  return async (steps) => {
    let last: Loss | undefined;
    for (let k = 0; k < steps; k++) {
      last?.dispose();
      const batch = batches[t % batches.length]!;
      last = step(batch, adamRate(learningRate, ++t));
    }
    return last ? await read(last) : NaN;
  };
}

/** Constants of Adam in TensorFlow's form. */
export const adam = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;

/** Prefix of the peer's messages on standard output. Lines without this prefix come from libraries. */
export const MARK = "@peer ";

const messageSchema = v.union([
  /** Message that the peer is ready. The text, which may be empty, describes the peer's platform. */
  v.object({ ready: v.string() }),
  /** Milliseconds that the steps took in total. `loss`: loss of the last step; null if it is not finite. */
  v.object({ ms: v.finiteNumber(), loss: v.nullable(v.finiteNumber()) }),
  v.object({ failed: v.string(), cannot: v.boolean() }),
]);
export type PeerMessage = v.InferOutput<typeof messageSchema>;

function readMessage(line: string): PeerMessage | undefined {
  if (!line.startsWith(MARK)) return undefined;
  return v.parse(messageSchema, JSON.parse(line.slice(MARK.length)));
}

export interface PeerCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** Environment variables that peers do not get, so that OpenBLAS (in PyTorch) chooses its own kernels. */
const LEFT_OUT = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"];

/** Returns a peer's environment variables. @param own - variables to add or replace. */
function buildPeerEnvironment(own: Readonly<Record<string, string>>): Record<string, string> {
  const around = Object.entries(Deno.env.toObject()).filter(([name]) =>
    !LEFT_OUT.includes(name.toUpperCase())
  );
  return { ...Object.fromEntries(around), ...own, NO_COLOR: "1" };
}

/** Process of a peer, which waits for requests to run steps. */
export class PeerProcess {
  readonly #child: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #errors: Promise<string>;
  note = "";

  private constructor({ program, args, environment }: PeerCommand, private readonly seconds: number) {
    this.#child = new Deno.Command(program, {
      args: [...args],
      env: buildPeerEnvironment(environment),
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#lines = createInterface({ input: Readable.fromWeb(this.#child.stdout) })[Symbol.asyncIterator]();
    this.#input = this.#child.stdin.getWriter();
    this.#errors = new Response(this.#child.stderr).text();
  }

  /**
   * @param seconds - time limit of the peer's start, and of each request to run steps
   * @throws UnsupportedJobError for an unsupported job or after the time limit; Error if the peer fails
   */
  static async start(command: PeerCommand, seconds: number): Promise<PeerProcess> {
    const peer = new PeerProcess(command, seconds);
    try {
      const message = await peer.#answer();
      if (!("ready" in message)) throw new Error("expected the peer to be ready, got another message");
      peer.note = message.ready;
      return peer;
    } catch (error) {
      peer.stop();
      throw error;
    }
  }

  /**
   * Runs more steps. @param kind - rest of the request, such as "greedy 1024" @throws as {@link start}
   * @returns milliseconds, and the last step's loss; NaN if the loss is not finite
   */
  async run(steps: number, kind = ""): Promise<{ readonly ms: number; readonly loss: number }> {
    await this.#input.write(new TextEncoder().encode(`${steps} ${kind}\n`));
    const message = await this.#answer();
    if (!("ms" in message)) throw new Error("expected a message with ms (time of the steps)");
    return { ms: message.ms, loss: message.loss ?? NaN };
  }

  async #answer(): Promise<PeerMessage> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.stop();
        reject(new UnsupportedJobError(`took more than ${this.seconds} s`));
      }, 1000 * this.seconds);
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
      // The process has already ended.
    }
  }

  [Symbol.dispose](): void {
    this.stop();
  }
}
