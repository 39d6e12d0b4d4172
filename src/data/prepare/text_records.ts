/** Text files by record, with line numbers: the engine hands over bad rows without them. */

import { createReadStream } from "node:fs";
import { pipeline } from "node:stream";
import { decoderOf } from "./decoder.ts";

export interface TextLine {
  readonly text: string;
  /** Number of the line, from 1. */
  readonly line: number;
}

export interface TextRecord {
  readonly fields: readonly string[];
  /** Number of its first line, from 1. */
  readonly line: number;
}

/** Lines of a plain or compressed file, without what ends them. */
export async function* linesOf(path: string): AsyncGenerator<TextLine> {
  let rest = "";
  let line = 1;
  for await (const chunk of chunksOf(path)) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const text of lines) yield { text: text.replace(/\r$/, ""), line: line++ };
  }
  if (rest !== "") yield { text: rest, line };
}

/** Records of CSV: a quoted value may go over several lines. */
export async function* recordsOf(path: string, delimiter: string): AsyncGenerator<TextRecord> {
  let begun: TextLine | undefined;
  for await (const { text, line } of linesOf(path)) {
    const record: TextLine = begun ? { text: `${begun.text}\n${text}`, line: begun.line } : { text, line };
    const { fields, open } = fieldsOf(record.text, delimiter);
    begun = open ? record : undefined;
    if (!open) yield { fields, line: record.line };
  }
}

/** @returns the values of a record of CSV, and whether the last one's quote is still open. */
export function fieldsOf(text: string, delimiter: string): { fields: string[]; open: boolean } {
  const fields: string[] = [];
  for (let at = 0;;) {
    let value = "";
    if (text[at] === '"') {
      for (at++;; at += 2) {
        const end = text.indexOf('"', at);
        if (end < 0) return { fields: [...fields, value + text.slice(at)], open: true };
        value += text.slice(at, end);
        at = end;
        if (text[at + 1] !== '"') break;
        value += '"';
      }
      at++;
    }
    const end = text.indexOf(delimiter, at);
    fields.push(value + text.slice(at, end < 0 ? undefined : end));
    if (end < 0) return { fields, open: false };
    at = end + delimiter.length;
  }
}

async function* chunksOf(path: string): AsyncGenerator<string> {
  const file = createReadStream(path);
  const decoder = decoderOf(path);
  // Whoever reads stops when everything is found; that the rest is not read is no error.
  const bytes = decoder ? pipeline(file, decoder, () => {}) : file;
  const utf8 = new TextDecoder();
  for await (const chunk of bytes) yield utf8.decode(chunk, { stream: true });
}
