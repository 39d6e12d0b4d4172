/** Where the page has the scripts that are loaded later: its worker knows no document. */

import type { FromWorker } from "./protocol.ts";
import { type LaterScript, loadScript } from "./later_script.ts";

/** The script that reads files: the worker loads it. */
export const readerScript = () => laterScript("reader");

export async function loadScreens(): Promise<typeof import("./other_screens.ts")> {
  return await loadScript(laterScript("screens"));
}

/** The text of the worker's script: as the page carries it, or one that loads it where it stands beside the page. */
export function workerScript(): string {
  return document.getElementById("worker-script")?.textContent ??
    loadingScript(new URL("worker.js", location.href).href);
}

/** What loads a worker's script, and tells the page where there is none: errors of the script itself are another thing. */
function loadingScript(url: string): string {
  const missing: FromWorker = { event: { name: "missing", url, error: "" } };
  return `try {
  importScripts(${JSON.stringify(url)});
} catch (error) {
  if (error.name !== "NetworkError") throw error;
  const { event } = ${JSON.stringify(missing)};
  postMessage({ event: { ...event, error: String(error) } });
}`;
}

function laterScript(name: string): LaterScript {
  const text = document.getElementById(`${name}-script`)?.textContent;
  return text ? { text } : { url: new URL(`${name}.js`, location.href).href };
}
