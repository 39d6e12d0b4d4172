/** The checksum of zstd's frames (XXH64), which their decoder leaves to others. */

const P1: bigint = 0x9e3779b185ebca87n;
const P2: bigint = 0xc2b2ae3d27d4eb4fn;
const P3: bigint = 0x165667b19e3779f9n;
const P4: bigint = 0x85ebca77c2b2ae63n;
const P5: bigint = 0x27d4eb2f165667c5n;

const whole = (x: bigint) => BigInt.asUintN(64, x);
const turned = (x: bigint, by: bigint) => whole(whole(x << by) | (x >> (64n - by)));
const mixed = (sum: bigint, x: bigint) => whole(turned(whole(sum + whole(x * P2)), 31n) * P1);

/** @returns its lower 32 bits, which are those that zstd writes */
export function xxh64(bytes: Uint8Array): number {
  const { length } = bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  const word = (at: number) => view.getBigUint64(at, true);
  let at = 0;
  let sum = P5;
  if (length >= 32) {
    let [a, b, c, d] = [whole(P1 + P2), P2, 0n, whole(-P1)];
    for (; at + 32 <= length; at += 32) {
      a = mixed(a, word(at));
      b = mixed(b, word(at + 8));
      c = mixed(c, word(at + 16));
      d = mixed(d, word(at + 24));
    }
    sum = whole(turned(a, 1n) + turned(b, 7n) + turned(c, 12n) + turned(d, 18n));
    for (const x of [a, b, c, d]) sum = whole(whole(sum ^ mixed(0n, x)) * P1 + P4);
  }
  sum = whole(sum + BigInt(length));
  for (; at + 8 <= length; at += 8) sum = whole(turned(sum ^ mixed(0n, word(at)), 27n) * P1 + P4);
  if (at + 4 <= length) {
    sum = whole(turned(sum ^ whole(BigInt(view.getUint32(at, true)) * P1), 23n) * P2 + P3);
    at += 4;
  }
  for (; at < length; at++) sum = whole(turned(sum ^ whole(BigInt(bytes[at] ?? 0) * P5), 11n) * P1);
  sum = whole((sum ^ (sum >> 33n)) * P2);
  sum = whole((sum ^ (sum >> 29n)) * P3);
  return Number(BigInt.asUintN(32, sum ^ (sum >> 32n)));
}
