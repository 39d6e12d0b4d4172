/** What a machine says of itself: for whoever reads its figures elsewhere. */

import { machineText } from "../peers/machine.ts";

/** Commands that may be there, and what they tell. */
const ASKED: Readonly<Record<string, readonly string[]>> = {
  system: ["uname", "-srm"],
  card: [
    "nvidia-smi",
    "--query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.memory,power.limit",
    "--format=csv,noheader",
  ],
  vulkan: ["vulkaninfo", "--summary"],
  memory: ["free", "-m"],
};

/** The answers of those that are there. */
export async function machineFacts(): Promise<Record<string, string>> {
  const facts: Record<string, string> = { machine: machineText() };
  for (const [fact, [program = "", ...args]] of Object.entries(ASKED)) {
    try {
      const output = await new Deno.Command("timeout", {
        args: ["20", program, ...args],
        stdin: "null",
        stderr: "null",
      }).output();
      const text = new TextDecoder().decode(output.stdout).trim();
      if (output.success && text !== "") facts[fact] = text;
    } catch {
      // There is no such program.
    }
  }
  return facts;
}
