/** CRC-32 as zlib and PNG have it, on any host, a word of four bytes at a time. */

/** [k][b]: what byte b is worth k bytes before the end of a word. */
const TABLES = tables();

function tables(): [Uint32Array, Uint32Array, Uint32Array, Uint32Array] {
  const first = Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
    return crc;
  });
  const after = (table: Uint32Array) => table.map((crc) => (crc >>> 8) ^ (first[crc & 255] ?? 0));
  const [second, third] = [after(first), after(after(first))];
  return [first, second, third, after(third)];
}

/** @param words little-endian. @param before of what stands before them; 0 for nothing. */
export function crc32(words: Uint32Array, before = 0): number {
  const [t0, t1, t2, t3] = TABLES;
  let crc = ~before;
  for (let k = 0; k < words.length; k++) {
    crc ^= words[k]!;
    crc = t3[crc & 255]! ^ t2[(crc >>> 8) & 255]! ^ t1[(crc >>> 16) & 255]! ^ t0[crc >>> 24]!;
  }
  return ~crc >>> 0;
}
