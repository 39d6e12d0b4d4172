/** Process `child.ts PEER BACKEND JOB`: reads how many steps to run, and prints time and loss as JSON. */

import { createInterface } from "node:readline";
import process from "node:process";
import { openJob, readJob } from "./job.ts";
import { MARK, type Peer, type PeerMessage, UnsupportedJobError } from "./peer.ts";

async function createPeer(name: string, backend: string, file: string): Promise<Peer> {
  const job = await readJob(file);
  switch (name) {
    case "clickgan":
      return await (await import("./clickgan.ts")).createClickganPeer(
        openJob(job.source, job.model),
        backend,
      );
    case "tensorflow_js":
      return await (await import("./tensorflow_js.ts")).createTensorflowPeer(job, backend);
    case "jax_js":
      return await (await import("./jax_js.ts")).createJaxPeer(job, backend);
    default:
      throw new Error(`Expected the name of a peer, got ${name}.`);
  }
}

/** Prints a message on a line that begins with {@link MARK}. Lines without the mark are from libraries. */
function say(message: PeerMessage): void {
  process.stdout.write(`${MARK}${JSON.stringify(message)}\n`);
}

async function main(): Promise<void> {
  const [name = "", backend = "", file = ""] = Deno.args;
  const peer = await createPeer(name, backend, file);
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
