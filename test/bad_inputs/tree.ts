/** What is in a folder, to compare: every path with what it is and what it holds. */

import { createHash } from "node:crypto";

/** Bytes of a file that is compared by what it holds. */
const LARGEST = 2 ** 28;

export async function treeOf(folder: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  await walk(folder, "", found);
  return found;
}

async function walk(folder: string, below: string, found: Map<string, string>): Promise<void> {
  for await (const { name, isDirectory, isSymlink, isFile } of Deno.readDir(`${folder}/${below}`)) {
    const path = below === "" ? name : `${below}/${name}`;
    const full = `${folder}/${path}`;
    if (isSymlink) found.set(path, `link to ${await Deno.readLink(full)}`);
    else if (isDirectory) {
      found.set(path, "folder");
      await walk(folder, path, found);
    } else if (isFile && (await Deno.stat(full)).size > LARGEST) found.set(path, "a large file");
    else if (isFile) {
      found.set(path, createHash("sha256").update(await Deno.readFile(full)).digest("hex"));
    } else found.set(path, "special file");
  }
}
