/** Checksums of files. */

import { createHash } from "node:crypto";
import { explainFileError } from "./file_error.ts";

/** SHA-256 of a file of any size, in hexadecimal, in bounded memory. @throws UserError for a file that cannot be read. */
export async function checksum(path: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    const file = await Deno.open(path);
    // The stream closes the file.
    for await (const chunk of file.readable) {
      hash.update(chunk);
      bytes += chunk.length;
    }
  } catch (error) {
    throw explainFileError(error, "read", path);
  }
  return { bytes, sha256: hash.digest("hex") };
}
