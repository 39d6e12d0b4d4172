import assert from "node:assert/strict";
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { faultOfZstd } from "../../src/data/prepare/sources.ts";
import { withFolder } from "../prepared_folder.ts";

Deno.test("faultOfZstd tells a whole file from one that is cut anywhere but between frames", async () => {
  const noise = crypto.getRandomValues(new Uint8Array(300));
  const skippable = new Uint8Array([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
  const frames = [
    zstdCompressSync("a".repeat(1000)),
    skippable,
    zstdCompressSync(noise, { params: { [constants.ZSTD_c_checksumFlag]: 1 } }),
    zstdCompressSync(""),
  ];
  const whole = new Uint8Array(await new Blob(frames.map((frame) => new Uint8Array(frame))).arrayBuffer());
  const ends = new Set(
    frames.map((_, k) => frames.slice(0, k + 1).reduce((sum, { length }) => sum + length, 0)),
  );
  await withFolder({}, async (folder) => {
    const path = `${folder}/x.zst`;
    for (let cut = 0; cut <= whole.length; cut++) {
      await Deno.writeFile(path, whole.slice(0, cut));
      assert.equal(await faultOfZstd(path) === undefined, ends.has(cut), `cut at ${cut} of ${whole.length}`);
    }
    await Deno.writeTextFile(path, "uid,sku\n1,2\n");
    assert.equal(await faultOfZstd(path), "no frame where one should begin");
  });
});

Deno.test("faultOfZstd walks over a frame of many blocks", async () => {
  const noise = new Uint8Array(400_000).map((_, k) => Math.floor(256 * Math.abs(Math.sin(k * k))));
  const frame = new Uint8Array(zstdCompressSync(noise));
  await withFolder({ "x.zst": frame, "cut.zst": frame.slice(0, 200_000) }, async (folder) => {
    assert.equal(await faultOfZstd(`${folder}/x.zst`), undefined);
    assert.equal(await faultOfZstd(`${folder}/cut.zst`), "unexpected end of file");
  });
});

Deno.test("faultOfZstd walks over a block that repeats one byte", async () => {
  // A frame of one segment of 100 bytes; its only block says: so often "a".
  const block = (100 << 3) | (1 << 1) | 1;
  const frame = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, 100, block & 255, block >> 8, 0, 97);
  assert.equal(zstdDecompressSync(frame).toString(), "a".repeat(100));
  await withFolder({ "x.zst": frame, "cut.zst": frame.slice(0, -1) }, async (folder) => {
    assert.equal(await faultOfZstd(`${folder}/x.zst`), undefined);
    assert.equal(await faultOfZstd(`${folder}/cut.zst`), "unexpected end of file");
  });
});
