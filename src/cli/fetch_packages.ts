/** Fetches the packages of a command before it runs. It is needed once on a machine; one line says so where anything is fetched. */

import { UserError } from "../user_error.ts";
import { DENO_FLAGS } from "../deno_flags.ts";

/** As Deno says it of each file, where it is not told to be quiet. */
const DOWNLOAD = /^Download .*\n?/gm;

export interface Fetching {
  /** Its name, such as "train". */
  readonly command: string;
  /** The URL of its module. */
  readonly script: string;
  /** How much it is where nothing is there yet. */
  readonly megabytes: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly say: (text: string) => void;
}

/** @throws {UserError} when a package cannot be fetched */
export async function fetchPackages(
  { command, script, megabytes, environment, say }: Fetching,
): Promise<void> {
  const deno = new Deno.Command(Deno.execPath(), {
    args: ["cache", ...DENO_FLAGS.filter((flag) => flag !== "--quiet"), script],
    env: { ...environment, NO_COLOR: "1" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  let [said, told] = ["", false];
  for await (const text of deno.stderr.pipeThrough(new TextDecoderStream())) {
    said += text;
    if (told || said.search(DOWNLOAD) < 0) continue;
    told = true;
    say(`Fetching what ${command} needs, once (up to ${megabytes} MB) ...`);
  }
  if ((await deno.status).success) return;
  throw new UserError(
    `the packages of ${command} could not be fetched. Check the network, then start it again: what has arrived ` +
      `is kept. Deno said:\n${reasonOf(said)}`,
  );
}

/** What Deno said, without its downloads and the places in its own code. */
function reasonOf(text: string): string {
  return (text.replace(DOWNLOAD, "").split("\nStack backtrace:")[0] ?? "").trim();
}
