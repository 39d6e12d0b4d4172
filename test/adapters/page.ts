/** The self-test in a browser: `selftest(only, every)` gives its JSON. Bundled by chromium.ts. */

import { openDevice } from "../../src/gpu/device.ts";
import { selftestJson } from "../../src/selftest/results.ts";
import { runSelftest } from "../../src/selftest/run.ts";

async function selftest(only: string, every: boolean): Promise<string> {
  const onCase = ({ name, kind, number, of }: { name: string; kind: string; number: number; of: number }) =>
    console.log(`[${number}/${of}] ${name} (${kind})`);
  const leftOut = every ? "too" : "named";
  return selftestJson(
    await runSelftest((options) => openDevice(options), { kinds: ["cpu", "gpu"], only, leftOut, onCase }),
  );
}

Object.assign(globalThis, { selftest });
