/** `child.ts PEER SETTING MODEL SOURCE`: reads step counts from stdin, runs the steps, and prints JSON. */

import { createInterface } from "node:readline";
import process from "node:process";
import * as v from "../../src/schema.ts";
import { models, openJob, type PeerJob } from "./job.ts";
import { backends, MARK, type Peer, type PeerMessage, UnsupportedJobError } from "./peer.ts";

async function createPeer(name: string, setting: string, job: PeerJob): Promise<Peer> {
  switch (name) {
    case "clickgan":
      return await (await import("./clickgan.ts")).createClickganPeer(job, setting);
    case "tensorflow_js":
      return await (await import("./tensorflow_js.ts")).createTensorflowPeer(job, parseBackend(setting));
    case "jax_js":
      return await (await import("./jax_js.ts")).createJaxPeer(job, parseBackend(setting));
    default:
      throw new Error(`Expected the name of a peer, got ${name}.`);
  }
}

const parseBackend = (setting: string) => v.parse(v.picklist(backends), setting);

/** Prints a message after {@link MARK}, which distinguishes it from the output of libraries. */
function say(message: PeerMessage): void {
  process.stdout.write(`${MARK}${JSON.stringify(message)}\n`);
}

async function main(): Promise<void> {
  const [name = "", setting = "", model, source = ""] = Deno.args;
  const peer = await createPeer(name, setting, openJob(source, v.parse(v.picklist(models), model)));
  say({ ready: peer.note ?? "" });
  for await (const line of createInterface({ input: process.stdin })) {
    const began = performance.now();
    const loss = await peer.run(Number(line));
    say({ ms: performance.now() - began, loss: Number.isFinite(loss) ? loss : null });
  }
}

try {
  await main();
  Deno.exit(0);
} catch (error) {
  say({
    failed: error instanceof Error ? error.message : String(error),
    cannot: error instanceof UnsupportedJobError,
  });
  if (!(error instanceof UnsupportedJobError)) console.error(error);
  Deno.exit(1);
}
