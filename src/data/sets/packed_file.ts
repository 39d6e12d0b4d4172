/**
 * Files of little-endian words that are read by position: what packed logs and packed items share.
 *
 * The last words of the header are checksums (CRC-32): of the file's name, so that one file is not taken for another; of
 * all that follows the header; and of the header itself. They are checked once, when the file is opened, in a megabyte of
 * memory. That takes a pass over the file: 0.03 s for 400 MB that the system holds in memory, otherwise the time to read
 * it. What is read later is only checked for numbers that do not fit together.
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
/** The file is not as it was written. */
export class DamagedPackedFileError extends UserError {
  /** @param fault which file it is, and what is wrong with it. */
  constructor(readonly fault: string) {
    super(`${fault}. Delete it: it will be made again from the data set.`);
  }
}

/** Words of a header. */
export const HEADER_WORDS = 16;
/** Where the checksums are in it. */
const [NAME_SUM, BODY_SUM, HEADER_SUM] = [13, 14, 15];
/** Bytes that are read at once to check a file. */
const CHECKED_AT_ONCE = 2 ** 20;

/** Writes the checksums into a header. @param body of all behind it. */
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
    /** Bytes. */
    readonly size: number,
  ) {}

  /** @param what it is, for messages. @throws UserError for a file that cannot be read. */
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
   * The header: magic (2), version, and what is the file's own. The whole file is checked against its checksums.
   * @throws UserError for a file that is none of these, or was altered.
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

  /** Fills an array from a place of the file. @param position bytes. */
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

/** Takes its name when it is whole. */
export class PackedFileWriter implements Disposable {
  #open = true;
  /** Checksum of what was appended. */
  #sum = 0;

  private constructor(readonly path: string, private readonly temporary: TemporaryFile) {}

  /** The header is left empty until {@link finish}. @throws UserError where the file cannot be made. */
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

  /** Ends the file and gives it its name. @param own words of the header. @throws UserError where it cannot be written. */
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

  /** Takes an unfinished file back. */
  [Symbol.dispose](): void {
    if (this.#open) removeTemporary(this.temporary);
    this.#open = false;
  }
}

function writeAll(file: Deno.FsFile, array: Words): void {
  const bytes = toBytes(array);
  for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
}

/** What the system says, told apart from what is wrong with a file. */
function explained(error: unknown, doing: string, path: string): unknown {
  if (error instanceof UserError) return error;
  const found = explainFileError(error, doing, path);
  return found instanceof UserError ? new PackedFileError(found.message, { cause: error }) : found;
}
