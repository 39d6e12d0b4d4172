import assert from "node:assert/strict";
import { atomicWriteFile, makeFolder } from "../../src/run/files/atomic_write.ts";
import { temporaryName } from "../../src/run/files/temporary_file.ts";
import { userError, withEmptyFolder } from "./folder_check.ts";

function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map((entry) => entry.name).sort();
}

Deno.test("atomicWriteFile writes text, bytes and pieces, and leaves nothing else", () =>
  withEmptyFolder(async (folder) => {
    const path = `${folder}/file`;
    await atomicWriteFile(path, "schön");
    assert.equal(Deno.readTextFileSync(path), "schön");
    await atomicWriteFile(path, new Uint8Array([1, 2]));
    assert.deepEqual(Deno.readFileSync(path), new Uint8Array([1, 2]));
    await atomicWriteFile(path, [new Uint8Array([1, 2]), new Uint8Array(), new Uint8Array(300_000).fill(3)]);
    assert.equal(Deno.readFileSync(path).length, 300_002);
    assert.deepEqual(names(folder), ["file"]);
  }));

Deno.test("atomicWriteFile keeps the old contents when it fails, and removes its temporary file", () =>
  withEmptyFolder(async (folder) => {
    const path = `${folder}/file`;
    await atomicWriteFile(path, "old");
    // Bytes that cannot be had stand for a disk that is full half-way: Deno gives /dev/full to no test.
    const full = Object.assign(new Error("No space left on device (os error 28)"), { code: "ENOSPC" });
    const half = {
      length: 2 ** 20,
      subarray: () => {
        throw full;
      },
    } as unknown as Uint8Array;
    const pieces = [new Uint8Array(10), half];
    await assert.rejects(
      atomicWriteFile(path, pieces),
      userError(/file: the disk is full\. Free some space/),
    );
    assert.equal(Deno.readTextFileSync(path), "old");
    assert.deepEqual(names(folder), ["file"]);
  }));

Deno.test("atomicWriteFile keeps nothing of a temporary file that a killed process left, be it longer", () =>
  withEmptyFolder(async (folder) => {
    const path = `${folder}/file`;
    await Deno.writeTextFile(temporaryName(path), "what was to become a much longer file");
    await atomicWriteFile(path, "short");
    assert.equal(await Deno.readTextFile(path), "short");
    assert.deepEqual(names(folder), ["file"]);
  }));

Deno.test("atomicWriteFile explains a place that cannot be written to", () =>
  withEmptyFolder(async (folder) => {
    Deno.mkdirSync(`${folder}/taken`);
    await assert.rejects(
      atomicWriteFile(`${folder}/taken`, "x"),
      userError(/cannot write .*taken: it is a folder/),
    );
    assert.deepEqual(names(folder), ["taken"]);
    Deno.writeTextFileSync(`${folder}/file`, "");
    await assert.rejects(
      atomicWriteFile(`${folder}/file/x`, "x"),
      userError(/file\/x: a part of this path is a file/),
    );
    await assert.rejects(atomicWriteFile(`${folder}/no/x`, "x"), userError(/no\/x: no such file or folder/));
    await assert.rejects(
      atomicWriteFile(`${folder}/${"n".repeat(300)}`, "x"),
      userError(/the name is too long/),
    );
  }));

Deno.test("makeFolder makes folders, accepts those that are there, and explains what is in the way", () =>
  withEmptyFolder(async (folder) => {
    await makeFolder(`${folder}/a/b`);
    await makeFolder(`${folder}/a/b`);
    assert.ok(Deno.statSync(`${folder}/a/b`).isDirectory);
    Deno.writeTextFileSync(`${folder}/file`, "");
    await assert.rejects(
      makeFolder(`${folder}/file`),
      userError(/the folder .*file: a file of this name is in the way/),
    );
    await assert.rejects(makeFolder(`${folder}/file/x`), userError(/a part of this path is a file/));
  }));
