/**
 * What listens, as a user starts it: the service with its answers over HTTP, its port and its end; the lab, with few
 * descriptors, and whom it answers.
 */

import assert from "node:assert/strict";
import type { LoadResult } from "../../bench/serve_load.ts";
import { runCommand, runScript } from "../command_check.ts";
import { endOf, withService } from "../service.ts";

/** The load of a client in a process of its own, as the tests may not use the network. */
async function clientLoad(
  url: string,
  calls: string,
  requests: number,
  clients: number,
): Promise<LoadResult> {
  const flags = ["--allow-net=127.0.0.1", "--allow-read"];
  const args = [url, calls, String(requests), String(clients)];
  const { code, stdout, stderr } = await runScript(
    new URL("../serve_client.ts", import.meta.url),
    flags,
    args,
  );
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

Deno.test("serve answers every request with its own utilities, also while it ends", () =>
  withService(async ({ url, calls, child, model, data }) => {
    const { requests, lost, mixedUp } = await clientLoad(url, calls, 600, 24);
    assert.deepEqual({ requests, lost, mixedUp }, { requests: 600, lost: 0, mixedUp: 0 });
    const port = new URL(url).port;
    const taken = await runCommand("serve", "--model", model, "--data", data, "--port", port);
    assert.equal(taken.code, 1);
    assert.match(
      taken.stderr,
      /^error: cannot listen on 127\.0\.0\.1:\d+: another program does\. Choose another --port/,
    );
    const during = clientLoad(url, calls, 4000, 24);
    await new Promise((resolve) => setTimeout(resolve, 700));
    child.kill("SIGTERM");
    const { code, stderr } = await endOf(child);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /Ended\.\n$/);
    assert.equal((await during).mixedUp, 0);
  }));

Deno.test(
  "what listens answers its own names alone, closes what is late, and outlives more connections than descriptors",
  { ignore: Deno.build.os === "windows" },
  async () => {
    const flags = ["--allow-read", "--allow-run", "--allow-net=127.0.0.1"];
    const script = new URL("./listen_check.ts", import.meta.url);
    const signal = AbortSignal.timeout(60_000);
    const { code, stdout, stderr } = await runScript(script, flags, [], { signal });
    assert.equal(code, 0, stdout + stderr);
  },
);
