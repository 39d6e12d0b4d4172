import { createHash } from "node:crypto";
import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { relative } from "node:path";
import { gzipSync } from "node:zlib";
import type { FileMaker } from "./corpus.ts";

export type FileContent = string | Uint8Array;

export function makeFile(name: string, contents: FileContent): FileMaker {
  return (folder) => {
    const path = `${folder}/${name}`;
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    if (typeof contents === "string") Deno.writeTextFileSync(path, contents);
    else Deno.writeFileSync(path, contents);
  };
}

export function makeFolder(name: string): FileMaker {
  return (folder) => Deno.mkdirSync(`${folder}/${name}`, { recursive: true });
}

/** Makes a symbolic link. In `target`, DIR stands for the folder of the case. */
export function link(name: string, target: string): FileMaker {
  return (folder) => Deno.symlinkSync(target.replaceAll("DIR", folder), `${folder}/${name}`);
}

export function makeFifo(name: string): FileMaker {
  return async (folder) => {
    const { success } = await new Deno.Command("mkfifo", { args: [`${folder}/${name}`] }).output();
    if (!success) throw new Error("no FIFO can be made here");
  };
}

export function makeSparseFile(name: string, bytes: number): FileMaker {
  return async (folder) => {
    await Deno.create(`${folder}/${name}`).then((file) => file.close());
    await Deno.truncate(`${folder}/${name}`, bytes);
  };
}

export function remove(name: string): FileMaker {
  return (folder) => Deno.removeSync(`${folder}/${name}`, { recursive: true });
}

export function alterFile(name: string, change: (bytes: Uint8Array<ArrayBuffer>) => FileContent): FileMaker {
  return (folder) => makeFile(name, change(Deno.readFileSync(`${folder}/${name}`)))(folder);
}

export function alterText(name: string, change: (text: string) => FileContent): FileMaker {
  return (folder) => makeFile(name, change(Deno.readTextFileSync(`${folder}/${name}`)))(folder);
}

/** Sets values of a JSON file. Keys are paths such as "training.seed"; the value undefined removes a key. */
export function alterJson(name: string, values: Readonly<Record<string, unknown>>): FileMaker {
  return alterText(name, (text) => {
    const json: unknown = JSON.parse(text);
    for (const [path, value] of Object.entries(values)) {
      const names = path.split(".");
      const last = names.pop() ?? "";
      let at = json;
      for (const name of names) at = isObject(at) ? at[name] : undefined;
      if (!isObject(at)) throw new Error(`${name} has no ${path}`);
      if (value === undefined) delete at[last];
      else at[last] = value;
    }
    return JSON.stringify(json, null, 2) + "\n"; // as this program writes it
  });
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

export function cut(name: string, bytes: number): FileMaker {
  return alterFile(name, (all) => all.slice(0, bytes < 0 ? all.length + bytes : bytes));
}

export const compressText = (text: string): Uint8Array => new Uint8Array(gzipSync(text));

/** Largest size in bytes of files that are compared by content. */
const LARGEST = 2 ** 28;

/** Maps the path of each entry below a folder to the entry's kind, or to the checksum of a file. */
export async function readTree(folder: string): Promise<Map<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const described = entries.map(async (entry) => {
    const full = `${entry.parentPath}/${entry.name}`;
    return [relative(folder, full), await describeEntry(full, entry)] as const;
  });
  return new Map(await Promise.all(described));
}

async function describeEntry(path: string, entry: Dirent): Promise<string> {
  if (entry.isSymbolicLink()) return `link to ${await Deno.readLink(path)}`;
  if (entry.isDirectory()) return "folder";
  if (!entry.isFile()) return "special file";
  if ((await Deno.stat(path)).size > LARGEST) return "a large file";
  return createHash("sha256").update(await Deno.readFile(path)).digest("hex");
}
