/** A Parquet file on disk. */

import { explainFileError } from "../../run/files/file_error.ts";
import type { OpenBytes, TableFile } from "../prepared/files.ts";
import { expectFile } from "../../run/files/local_file.ts";

/** The file at a path. It is looked at when it is opened. */
export function parquetFile(path: string): TableFile {
  return { path, open: () => bytesOf(open(path)) };
}

function open(path: string): Deno.FsFile {
  expectFile(path);
  try {
    return Deno.openSync(path);
  } catch (error) {
    throw explainFileError(error, "read", path);
  }
}

function bytesOf(file: Deno.FsFile): OpenBytes {
  const byteLength = file.statSync().size;
  return {
    byteLength,
    slice(start: number, end = byteLength): ArrayBuffer {
      if (start < 0 || end < start || end > byteLength) throw new Error(`it ends before byte ${end}`);
      const bytes = new Uint8Array(end - start);
      file.seekSync(start, Deno.SeekMode.Start);
      for (let done = 0; done < bytes.length;) {
        const count = file.readSync(bytes.subarray(done));
        if (count === null) throw new Error("it ends too early");
        done += count;
      }
      return bytes.buffer;
    },
    [Symbol.dispose]: () => file.close(),
  };
}
