/**
 * Reads and writes packed files, which store logs and catalogues: a header, then little-endian 32-bit words.
 *
 * The last three words of the header are CRC-32 checksums: of the file's name (to detect a renamed file), of
 * all words after the header, and of the header. The checksums are verified only when the file is opened.
 */

import { requireWritable } from "../../files/write_scope.ts";
import { basename } from "node:path";
import { crc32 } from "node:zlib";
import { expectFile, explainFileError, openFile, readBytesAt } from "../../files/local_file.ts";
import { openTemporary, removeTemporary, type TemporaryFile } from "../../files/atomic_write.ts";
import { UserError } from "../../user_error.ts";

type Words = Uint32Array | Uint8Array | Float32Array;

/** Error for a packed file that the operating system cannot read or write. */
export class PackedFileError extends UserError {}
/** Error for a file that was damaged or changed, or that is not a packed file. */
export class DamagedPackedFileError extends UserError {
  /** @param fault: description of the fault, with the file's name. */
  constructor(readonly fault: string) {
    super(`${fault}. Delete the file: it will be created again from the data set.`);
  }
}

export const HEADER_WORDS = 16;
/** Indices of the checksums in the header. */
const [NAME_SUM, BODY_SUM, HEADER_SUM] = [13, 14, 15];
/** Number of bytes per read when the checksum of a file is computed. */
const CHECKED_AT_ONCE = 2 ** 20;

/** Sets the checksums in a header. @param body: checksum of all words after the header. */
export function writeChecksums(header: Uint32Array, path: string, body: number): void {
  header[NAME_SUM] = crc32(basename(path));
  header[BODY_SUM] = body;
  header[HEADER_SUM] = crc32(toBytes(header.subarray(0, HEADER_SUM)));
}

function toBytes(array: Words): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

export class PackedFile {
  private constructor(
    readonly path: string,
    private readonly what: string,
    private readonly file: Deno.FsFile,
    /** In bytes. */
    readonly size: number,
  ) {}

  /** @param what: kind of contents, such as "catalogue". @throws UserError if the file cannot be read. */
  static open(path: string, what: string): PackedFile {
    try {
      expectFile(path);
      const file = openFile(path);
      return new PackedFile(path, what, file, file.statSync().size);
    } catch (error) {
      throw explained(error, "read", path);
    }
  }

  /** Reads the header, verifies checksums. @throws UserError for a wrong kind or version, or changed data. */
  header(magic: readonly number[], version: number): Uint32Array {
    const header = new Uint32Array(HEADER_WORDS);
    if (this.size < header.byteLength) throw this.damaged(`it has ${this.size} bytes, less than a header`);
    this.readAt(0, header);
    if (header[0] !== magic[0] || header[1] !== magic[1]) throw this.damaged("it begins with other bytes");
    if (header[2] !== version) {
      throw this.damaged(`it is of version ${header[2]}, and this program reads version ${version}`);
    }
    const expected = header.slice();
    writeChecksums(expected, this.path, header[BODY_SUM] ?? 0);
    if (header[HEADER_SUM] !== expected[HEADER_SUM]) throw this.damaged("its header was altered");
    if (header[NAME_SUM] !== expected[NAME_SUM]) throw this.damaged("it had another name");
    if (header[BODY_SUM] !== this.#bodySum()) throw this.damaged("it was altered or cut off");
    return header;
  }

  #bodySum(): number {
    const buffer = new Uint8Array(CHECKED_AT_ONCE);
    let sum = 0;
    for (let at = 4 * HEADER_WORDS; at < this.size; at += buffer.length) {
      const bytes = buffer.subarray(0, Math.min(buffer.length, this.size - at));
      this.readAt(at, bytes);
      sum = crc32(bytes, sum);
    }
    return sum;
  }

  /** Fills an array with words of the file. @param position: offset of the first word, in bytes. */
  readAt(position: number, array: Words): void {
    const bytes = toBytes(array);
    try {
      const count = readBytesAt(this.file, position, bytes);
      if (count < bytes.length) throw this.damaged(`it ends at byte ${position + count}`);
    } catch (error) {
      throw explained(error, "read", this.path);
    }
  }

  damaged(fault: string): DamagedPackedFileError {
    return new DamagedPackedFileError(`${this.path} is not a complete packed ${this.what}: ${fault}`);
  }

  close(): void {
    this.file.close();
  }
}

/** Writes a packed file under a temporary name; {@link finish} then gives the file its final name. */
export class PackedFileWriter implements Disposable {
  #open = true;
  /** Checksum of the words that were appended so far. */
  #sum = 0;

  private constructor(readonly path: string, private readonly temporary: TemporaryFile) {}

  /** Creates a file with an empty header, which {@link finish} fills. @throws UserError on failure. */
  static create(path: string): PackedFileWriter {
    try {
      const temporary = openTemporary(path);
      if (!temporary) {
        throw new UserError(
          `${path} is being written by another process. Wait until that process has ended.`,
        );
      }
      const writer = new PackedFileWriter(path, temporary);
      writer.#guard(() => writeAll(temporary.file, new Uint32Array(HEADER_WORDS)));
      return writer;
    } catch (error) {
      throw explained(error, "write", path);
    }
  }

  append(array: Words): void {
    this.#guard(() => writeAll(this.temporary.file, array));
    this.#sum = crc32(toBytes(array), this.#sum);
  }

  /** Writes the header, and renames the file. @param own: the header without checksums. @throws UserError. */
  finish(own: readonly number[]): void {
    const header = new Uint32Array(HEADER_WORDS);
    header.set(own);
    writeChecksums(header, this.path, this.#sum);
    this.#guard(() => {
      const { file, path } = this.temporary;
      file.seekSync(0, Deno.SeekMode.Start);
      writeAll(file, header);
      file.syncSync(); // without it, a power cut could leave empty blocks in the file with the final name
      Deno.renameSync(path, requireWritable(this.path));
      file.close(); // closed only after renaming, because closing releases the file's lock
      this.#open = false;
    });
  }

  #guard(write: () => void): void {
    try {
      write();
    } catch (error) {
      this[Symbol.dispose]();
      throw explained(error, "write", this.path);
    }
  }

  /** Removes the temporary file if {@link finish} was not called. */
  [Symbol.dispose](): void {
    if (this.#open) removeTemporary(this.temporary);
    this.#open = false;
  }
}

function writeAll(file: Deno.FsFile, array: Words): void {
  const bytes = toBytes(array);
  for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
}

function explained(error: unknown, doing: string, path: string): unknown {
  if (error instanceof UserError) return error;
  const found = explainFileError(error, doing, path);
  return found instanceof UserError ? new PackedFileError(found.message, { cause: error }) : found;
}
