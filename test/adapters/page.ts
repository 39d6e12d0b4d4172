/** The self-test in a browser: `selftest(only)` gives its JSON. Bundled by chromium.ts. */

import { openDevice } from "../../src/gpu/device.ts";
import { selftestJson } from "../../src/selftest/results.ts";
import { runSelftest } from "../../src/selftest/run.ts";

async function selftest(only: string): Promise<string> {
  const onCase = ({ name, kind, number, of }: { name: string; kind: string; number: number; of: number }) =>
    console.log(`[${number}/${of}] ${name} (${kind})`);
  return selftestJson(
    await runSelftest((kind) => openDevice({ shapesFor: kind }), { kinds: ["cpu", "gpu"], only, onCase }),
  );
}

Object.assign(globalThis, { selftest });
