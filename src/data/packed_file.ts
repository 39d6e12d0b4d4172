/** Files of little-endian words that are read by position: what packed logs and packed items share. */

import { explainFileError } from "../files/file_error.ts";
import { UserError } from "../user_error.ts";

type Words = Uint32Array | Uint8Array | Float32Array;

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
      const file = Deno.openSync(path);
      return new PackedFile(path, what, file, file.statSync().size);
    } catch (error) {
      throw explainFileError(error, "read", path);
    }
  }

  /**
   * The header, checked as far as all such files are alike: magic (2), version, and what is the file's own.
   * @throws UserError for a file that is none of these.
   */
  header(magic: readonly number[], version: number, words: number): Uint32Array {
    const header = new Uint32Array(words);
    if (this.size < header.byteLength) {
      throw this.damaged(`it has ${this.size} bytes, less than its header`);
    }
    this.readAt(0, header);
    if (header[0] !== magic[0] || header[1] !== magic[1]) throw this.damaged("it does not begin as one");
    if (header[2] !== version) {
      throw this.damaged(`it is of version ${header[2]}, and this program reads version ${version}`);
    }
    return header;
  }

  /** Fills an array from a place of the file. @param position bytes. */
  readAt(position: number, array: Words): void {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    try {
      this.file.seekSync(position, Deno.SeekMode.Start);
      for (let done = 0; done < bytes.length;) {
        const count = this.file.readSync(bytes.subarray(done));
        if (count === null) throw this.damaged(`it ends at byte ${position + done}`);
        done += count;
      }
    } catch (error) {
      throw explainFileError(error, "read", this.path);
    }
  }

  damaged(fault: string): UserError {
    return new UserError(
      `${this.path} is no whole packed ${this.what}: ${fault}. Delete it: it is made anew from the data set.`,
    );
  }

  close(): void {
    this.file.close();
  }
}

/** Takes its name when it is whole. */
export class PackedFileWriter implements Disposable {
  #open = true;

  private constructor(
    readonly path: string,
    private readonly temporary: string,
    private readonly file: Deno.FsFile,
  ) {}

  /** @param headerWords are left empty until {@link finish}. @throws UserError where the file cannot be made. */
  static create(path: string, headerWords: number): PackedFileWriter {
    const temporary = `${path}.${crypto.randomUUID().slice(0, 8)}.tmp`;
    try {
      const file = Deno.openSync(temporary, { write: true, createNew: true });
      const writer = new PackedFileWriter(path, temporary, file);
      writer.append(new Uint32Array(headerWords));
      return writer;
    } catch (error) {
      throw explainFileError(error, "write", path);
    }
  }

  append(array: Words): void {
    this.#guard(() => writeAll(this.file, array));
  }

  /** Ends the file and gives it its name. @throws UserError where it cannot be written. */
  finish(header: readonly number[]): void {
    this.#guard(() => {
      this.file.seekSync(0, Deno.SeekMode.Start);
      writeAll(this.file, Uint32Array.from(header));
      this.file.syncSync(); // otherwise a power cut could leave the name with empty blocks
      this.#close();
      Deno.renameSync(this.temporary, this.path);
    });
  }

  #guard(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.#close();
      removeIfThere(this.temporary);
      throw explainFileError(error, "write", this.path);
    }
  }

  #close(): void {
    if (this.#open) this.file.close();
    this.#open = false;
  }

  /** Takes an unfinished file back. */
  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#close();
    removeIfThere(this.temporary);
  }
}

function writeAll(file: Deno.FsFile, array: Words): void {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch {
    // Never made, or beyond our reach: the error that led here is the one to report.
  }
}
