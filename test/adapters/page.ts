import { openDevice } from "../../src/gpu/device.ts";
import { formatSelftestJson } from "../../src/selftest/finding.ts";
import { runSelftest } from "../../src/selftest/run.ts";

/**
 * @param only text in names. @param every adds kernels that no adapter selects. @param tell gets a line per
 * case
 */
export async function runSelftestPage(
  only: string,
  every: boolean,
  open: Parameters<typeof runSelftest>[0] = (options) => openDevice(options),
  tell: (line: string) => void = console.log,
): Promise<string> {
  const result = await runSelftest(open, {
    kinds: ["cpu", "gpu"],
    only,
    leftOut: every ? "too" : "named",
    onCase: ({ name, kind, number, of }) => tell(`[${number}/${of}] ${name} (${kind})`),
  });
  return formatSelftestJson(result);
}

Object.assign(globalThis, { selftest: runSelftestPage });
