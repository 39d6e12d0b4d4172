/** Where the page has the scripts that are loaded later: its worker knows no document. */

import { type LaterScript, loadScript } from "./later_script.ts";

/** The script that reads files: the worker loads it. */
export const readerScript = () => laterScript("reader");

export async function loadScreens(): Promise<typeof import("./other_screens.ts")> {
  return await loadScript(laterScript("screens"));
}

function laterScript(name: string): LaterScript {
  const text = document.getElementById(`${name}-script`)?.textContent;
  return text ? { text } : { url: new URL(`${name}.js`, location.href).href };
}
