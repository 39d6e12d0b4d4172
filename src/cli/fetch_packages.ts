/** Fetches the packages of a command before it runs. It is needed once on a machine; one line says so if it takes long. */

import { UserError } from "../user_error.ts";
import { DENO_FLAGS } from "../deno_flags.ts";

/** When it takes longer, a line says what is going on. With all packages there it takes a tenth of this. */
const SILENT_MS = 500;

export interface Fetching {
  /** Its name, such as "train". */
  readonly command: string;
  /** The URL of its module. */
  readonly script: string;
  /** About how much it is where nothing is there yet. */
  readonly megabytes: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly say: (text: string) => void;
}

/** @throws {UserError} when a package cannot be fetched */
export async function fetchPackages(
  { command, script, megabytes, environment, say }: Fetching,
): Promise<void> {
  const timer = setTimeout(
    () => say(`Fetching what ${command} needs, once (about ${megabytes} MB) ...`),
    SILENT_MS,
  );
  try {
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["cache", ...DENO_FLAGS, script],
      env: { ...environment, NO_COLOR: "1" },
      stdin: "null",
      stdout: "null",
    }).output();
    if (success) return;
    throw new UserError(
      `the packages of ${command} could not be fetched. Check the network, then start it again: what has arrived ` +
        `is kept. Deno said:\n${reasonOf(new TextDecoder().decode(stderr))}`,
    );
  } finally {
    clearTimeout(timer);
  }
}

/** What Deno said, without the places in its own code. */
function reasonOf(text: string): string {
  return (text.split("\nStack backtrace:")[0] ?? "").trim();
}
