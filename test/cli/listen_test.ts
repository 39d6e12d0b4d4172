/** Whom `serve` and `lab` answer, and how many: the lab as a user starts it, with few descriptors. */

import assert from "node:assert/strict";
import { DENO_FLAGS } from "../../src/deno_flags.ts";

Deno.test(
  "what listens answers its own names alone, closes what is late, and outlives more connections than descriptors",
  { ignore: Deno.build.os === "windows" },
  async () => {
    const script = new URL("./listen_check.ts", import.meta.url).href;
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        ...DENO_FLAGS,
        "--no-prompt",
        "--allow-read",
        "--allow-run",
        "--allow-net=127.0.0.1",
        script,
      ],
      signal: AbortSignal.timeout(60_000),
    }).output();
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assert.ok(success, decode(stdout) + decode(stderr));
  },
);
