/** The self-test in a browser: `selftest()` gives its JSON. Bundled by chromium.ts. */

import { openDevice } from "../../src/gpu/device.ts";
import { selftestJson } from "../../src/selftest/results.ts";
import { runSelftest } from "../../src/selftest/run.ts";

async function selftest(): Promise<string> {
  const onCase = ({ name, kind, number, of }: { name: string; kind: string; number: number; of: number }) =>
    console.log(`[${number}/${of}] ${name} (${kind})`);
  return selftestJson(
    await runSelftest((kind) => openDevice({ shapesFor: kind }), { kinds: ["cpu", "gpu"], onCase }),
  );
}

Object.assign(globalThis, { selftest });
