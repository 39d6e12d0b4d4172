/** The script that reads files, in the worker: the page carries its text, or it stands beside the page. */

/** What the page knows of it. A worker of a page from the disk may load no address that the page made: it makes its own. */
export type ReaderScript = { readonly text: string } | { readonly url: string };

export async function loadReader(script: ReaderScript): Promise<typeof import("./reader.ts")> {
  if ("url" in script) return await import(script.url);
  const url = URL.createObjectURL(new Blob([script.text], { type: "text/javascript" }));
  try {
    return await import(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}
