/** What the page says where one of its scripts is not beside it. */

/** What stands behind the address of the script. */
export const MISSING =
  "which could not be loaded. Copy all files of the folder that deno task lab --build has written, " +
  "beside one another, and reload. Or open lab.html, which needs no other file.";

/** @param error what the browser says */
export function missingScript(url: string, error: unknown): string {
  return `Expected the page's script ${url}, ${MISSING} (${error})`;
}
