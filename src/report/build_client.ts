/**
 * Bundles the page's script with what it uses of Chart.js. The bundle is kept in the repository, so that whoever makes a
 * report needs no bundler: `deno task build report` after a change in client/.
 */

import { fileURLToPath } from "node:url";
import { buildBundle } from "../serve/bundle/bundle.ts";
import { writeFileAtomically } from "../files/atomic_write.ts";

const ENTRY = fileURLToPath(new URL("./client/report_client.ts", import.meta.url));
export const BUNDLE = fileURLToPath(new URL("./client_bundle.js", import.meta.url));

const BANNER = "/* Built by `deno task build report` from client/. */";

/** @returns the script; the same sources give the same bytes on any machine */
export async function bundleClient(): Promise<string> {
  return (await buildBundle({ entry: ENTRY, format: "iife", banner: BANNER })).text;
}

if (import.meta.main) await writeFileAtomically(BUNDLE, await bundleClient(), BANNER);
