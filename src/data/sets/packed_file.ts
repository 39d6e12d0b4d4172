/**
 * Files of little-endian words that are read by position: the common part of packed logs and packed items.
 *
 * The last words of the header are checksums (CRC-32): of the file's name, so that one file is not taken for another; of all
 * that follows the header; and of the header itself. They are checked once, when the file is opened, in a megabyte of memory:
 * 0.03 s for 400 MB in the system's cache, otherwise the time to read the file. Later reads only check that numbers are
 * consistent.
 */

import { requireWritable } from "../../files/write_scope.ts";
import { basename } from "node:path";
import { crc32 } from "node:zlib";
import { expectFile, explainFileError, openFile } from "../../files/local_file.ts";
import { openTemporary, removeTemporary, type TemporaryFile } from "../../files/atomic_write.ts";
import { UserError } from "../../user_error.ts";

type Words = Uint32Array | Uint8Array | Float32Array;

/** The system cannot read or write the file. */
export class PackedFileError extends UserError {}
/** The contents of the file have changed. */
export class DamagedPackedFileError extends UserError {
  /** @param fault the file and its fault. */
  constructor(readonly fault: string) {
    super(`${fault}. Delete it: it will be created again from the data set.`);
  }
}

export const HEADER_WORDS = 16;
/** Words of the header with the checksums. */
const [NAME_SUM, BODY_SUM, HEADER_SUM] = [13, 14, 15];
/** Bytes per read when a file is checked. */
const CHECKED_AT_ONCE = 2 ** 20;

/** Writes the checksums into a header. @param body checksum of all words behind it. */
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
    /** File size in bytes. */
    readonly size: number,
  ) {}

  /** @param what kind of the file, for messages. @throws UserError for a file that cannot be read. */
  static open(path: string, what: string): PackedFile {
    try {
      expectFile(path);
      const file = openFile(path);
      return new PackedFile(path, what, file, file.statSync().size);
    } catch (error) {
      throw explained(error, "read", path);
    }
  }

  /**
   * Reads the header: magic (2), version, and the file's own words. The whole file is checked against its checksums.
   * @throws UserError for a file of another kind, or a changed one.
   */
  header(magic: readonly number[], version: number): Uint32Array {
    const header = new Uint32Array(HEADER_WORDS);
    if (this.size < header.byteLength) {
      throw this.damaged(`it has ${this.size} bytes, less than its header`);
    }
    this.readAt(0, header);
    if (header[0] !== magic[0] || header[1] !== magic[1]) throw this.damaged("it does not begin as one");
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

  /** Fills an array from the file. @param position in bytes. */
  readAt(position: number, array: Words): void {
    const bytes = toBytes(array);
    try {
      this.file.seekSync(position, Deno.SeekMode.Start);
      for (let done = 0; done < bytes.length;) {
        const count = this.file.readSync(bytes.subarray(done));
        if (count === null) throw this.damaged(`it ends at byte ${position + done}`);
        done += count;
      }
    } catch (error) {
      throw explained(error, "read", this.path);
    }
  }

  damaged(fault: string): DamagedPackedFileError {
    return new DamagedPackedFileError(`${this.path} is not a whole packed ${this.what}: ${fault}`);
  }

  close(): void {
    this.file.close();
  }
}

/** Writes a file, which gets its name when it is complete. */
export class PackedFileWriter implements Disposable {
  #open = true;
  /** Checksum of the appended words. */
  #sum = 0;

  private constructor(readonly path: string, private readonly temporary: TemporaryFile) {}

  /** Leaves the header empty until {@link finish}. @throws UserError if the file cannot be created. */
  static create(path: string): PackedFileWriter {
    try {
      const temporary = openTemporary(path);
      if (!temporary) {
        throw new UserError(`${path} is being written by another process. Wait until it has ended.`);
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

  /** Ends the file and gives it its name. @param own words of the header. @throws UserError if it cannot be written. */
  finish(own: readonly number[]): void {
    const header = new Uint32Array(HEADER_WORDS);
    header.set(own);
    writeChecksums(header, this.path, this.#sum);
    this.#guard(() => {
      const { file, path } = this.temporary;
      file.seekSync(0, Deno.SeekMode.Start);
      writeAll(file, header);
      file.syncSync(); // otherwise a power cut could leave the name with empty blocks
      Deno.renameSync(path, requireWritable(this.path));
      file.close(); // only now: until it has its name, it is locked
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

  /** Removes an unfinished file. */
  [Symbol.dispose](): void {
    if (this.#open) removeTemporary(this.temporary);
    this.#open = false;
  }
}

function writeAll(file: Deno.FsFile, array: Words): void {
  const bytes = toBytes(array);
  for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
}

/** Converts a system error to a {@link PackedFileError}. */
function explained(error: unknown, doing: string, path: string): unknown {
  if (error instanceof UserError) return error;
  const found = explainFileError(error, doing, path);
  return found instanceof UserError ? new PackedFileError(found.message, { cause: error }) : found;
}
