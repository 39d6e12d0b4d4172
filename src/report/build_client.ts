/**
 * Bundles Chart.js and the script of report pages. The bundle is in the repository, so that users need no
 * bundler. Run `deno task build report` after each change in client/.
 */

import { fileURLToPath } from "node:url";
import { buildBundle } from "../serve/bundle/bundle.ts";
import { writeFileAtomically } from "../files/atomic_write.ts";

const ENTRY = fileURLToPath(new URL("./client/report_client.ts", import.meta.url));
export const BUNDLE = fileURLToPath(new URL("./client_bundle.js", import.meta.url));

const BANNER = "/* Built by `deno task build report` from client/. */";

/** Builds the script of report pages. Equal sources give equal bytes on all machines. */
export async function bundleClient(): Promise<string> {
  return `${BANNER}\n${(await buildBundle({ entry: ENTRY, format: "iife" })).text}`;
}

if (import.meta.main) await writeFileAtomically(BUNDLE, await bundleClient(), BANNER);
