/** Files, links and folders of a case, texts with damage, and what is in a folder. */

import { createHash } from "node:crypto";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { all, type Maker } from "./corpus.ts";

export type Contents = string | Uint8Array;

/** A file; folders above it are made. */
export function file(name: string, contents: Contents): Maker {
  return (folder) => {
    const path = `${folder}/${name}`;
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    if (typeof contents === "string") Deno.writeTextFileSync(path, contents);
    else Deno.writeFileSync(path, contents);
  };
}

export function folder(name: string): Maker {
  return (folder) => Deno.mkdirSync(`${folder}/${name}`, { recursive: true });
}

/** A symbolic link; DIR in the target is the case's folder. */
export function link(name: string, target: string): Maker {
  return (folder) => Deno.symlinkSync(target.replaceAll("DIR", folder), `${folder}/${name}`);
}

/** A named pipe, which nobody writes to. */
export function fifo(name: string): Maker {
  return async (folder) => {
    const { success } = await new Deno.Command("mkfifo", { args: [`${folder}/${name}`] }).output();
    if (!success) throw new Error("no FIFO can be made here");
  };
}

/** A file of zeros that takes no room. */
export function sparse(name: string, bytes: number): Maker {
  return async (folder) => {
    await Deno.create(`${folder}/${name}`).then((file) => file.close());
    await Deno.truncate(`${folder}/${name}`, bytes);
  };
}

/** Takes a file away that another maker made. */
export function without(name: string): Maker {
  return (folder) => Deno.removeSync(`${folder}/${name}`, { recursive: true });
}

/** Alters a file that another maker made. */
export function altered(name: string, change: (bytes: Uint8Array<ArrayBuffer>) => Contents): Maker {
  return (folder) => file(name, change(Deno.readFileSync(`${folder}/${name}`)))(folder);
}

/** The same as text. */
export function alteredText(name: string, change: (text: string) => Contents): Maker {
  return (folder) => file(name, change(Deno.readTextFileSync(`${folder}/${name}`)))(folder);
}

/** Values of a JSON file by their paths, such as "training.seed"; undefined takes one out. */
export function alteredJson(name: string, values: Readonly<Record<string, unknown>>): Maker {
  return alteredText(name, (text) => {
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

export function cut(name: string, bytes: number): Maker {
  return altered(name, (all) => all.slice(0, bytes < 0 ? all.length + bytes : bytes));
}

/** A text with its escapes, such as \n, read; quotes stand for themselves. */
export const unescaped = (text: string): string => JSON.parse(`"${text.replaceAll('"', '\\"')}"`);

/** What stands before the word "with" of a cell, and behind it. */
export function aroundWith(cell: string): readonly [before: string, behind: string] {
  const [before = "", behind = ""] = ` ${cell}`.split(" with ");
  return [before.trim(), behind];
}

/** What words make of a path and what stands behind it. */
const VERBS: Readonly<Record<string, (path: string, rest: string) => Maker>> = {
  file: (path, text) => file(path, unescaped(text)),
  folder,
  fifo,
  link,
  without,
  cut: (path, bytes) => cut(path, Number(bytes)),
  /** The text `old => new`, where it stands first. */
  swap: (path, change) => {
    const [old = "", text = ""] = change.split("=>").map((side) => unescaped(side.trim()));
    return alteredText(path, (all) => all.replace(old, () => text));
  },
  /** Values by their paths, such as training.seed=-1; without one it is taken out. */
  json: (path, values) =>
    alteredJson(
      path,
      Object.fromEntries(
        values.split(" ").map((one) => {
          const [name = "", value = ""] = one.split(/=(.*)/);
          return [name, value === "" ? undefined : JSON.parse(value)];
        }),
      ),
    ),
};

/** Makers in words, with "; " between them: `without old/train.csv; folder old/train.csv`. */
export function made(words: string): Maker {
  return all(
    ...words.split("; ").filter((one) => one !== "").map((one) => {
      const [, verb = "", path = "", rest = ""] = /^(\w+) (\S+) ?([^]*)$/.exec(one) ?? [];
      return VERBS[verb]?.(path, rest) ?? (() => {
        throw new Error(`no maker is called ${verb}: ${one}`);
      })();
    }),
  );
}

export const utf16 = (text: string): Uint8Array => {
  const out = new Uint8Array(2 + 2 * text.length);
  out.set([0xff, 0xfe]);
  for (let k = 0; k < text.length; k++) {
    out[2 + 2 * k] = text.charCodeAt(k) & 255;
    out[3 + 2 * k] = text.charCodeAt(k) >> 8;
  }
  return out;
};
export const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
export const gz = (text: string): Uint8Array => new Uint8Array(gzipSync(text));
export const zst = (text: string): Uint8Array => new Uint8Array(zstdCompressSync(text));

/** A line of a text, from 1, changed. */
export function line(number: number, change: (line: string) => string): (text: string) => string {
  return (text) => text.split("\n").map((own, k) => (k + 1 === number ? change(own) : own)).join("\n");
}

/** Bytes of a file that is compared by what it holds. */
const LARGEST = 2 ** 28;

/** What is in a folder, to compare: every path with what it is and what it holds. */
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
