/** Scripts that are loaded when they are first wanted: the page carries their text, or they stand beside the page. */

import { UserError } from "../../user_error.ts";

/** Where one is. A worker of a page from the disk may load no address that the page made: it makes its own. */
export type LaterScript = { readonly text: string } | { readonly url: string };

/** Called where it is to run. @returns its module: the caller says which. @throws UserError where it does not stand beside the page */
export async function loadScript<Module>(script: LaterScript): Promise<Module> {
  if ("url" in script) {
    return await import(script.url).catch((error: unknown) => {
      throw new UserError(missingScript(script.url, error));
    });
  }
  const url = URL.createObjectURL(new Blob([script.text], { type: "text/javascript" }));
  try {
    return await import(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** What stands behind the address of the script. */
export const MISSING =
  "which could not be loaded. Copy all files of the folder that deno task lab --build has written, " +
  "beside one another, and reload. Or open lab.html, which needs no other file.";

/** @param error what the browser says */
export function missingScript(url: string, error: unknown): string {
  return `Expected the page's script ${url}, ${MISSING} (${error})`;
}
