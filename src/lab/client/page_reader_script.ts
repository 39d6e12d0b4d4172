/** Where the page has the script that reads files: its worker knows no document. */

import type { ReaderScript } from "./reader_script.ts";

export function readerScript(): ReaderScript {
  const text = document.getElementById("reader-script")?.textContent;
  return text ? { text } : { url: new URL("reader.js", location.href).href };
}
