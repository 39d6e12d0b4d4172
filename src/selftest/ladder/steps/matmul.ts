/** What the ladders of the three matmuls share: vectors of a size, and sizes that a kernel refuses. */

import { padded } from "../../../tape/layout.ts";
import type { Step } from "../check.ts";
import type { Size } from "../problem.ts";

export type Invocations = Step["invocations"];

/** [M, K4, N4] of a matmul's size. */
export function inFours([M = 1, K = 1, N = 1]: Size): [M: number, K4: number, N4: number] {
  return [M, padded(K) / 4, padded(N) / 4];
}

/** The most terms that a panel kernel sums over: they are written out in its text. */
export const PANEL = { study: 64, shipped: 256 };
/** Why a panel kernel cannot do a size. @param place of the number of terms in the size. @param most that there may be. */
export const panelRefuses = (place: 1 | 2, most: number) => (size: Size) =>
  (size[place] ?? 1) <= most ? undefined : `sums over more than ${most}`;
const uniformRefuses = (size: Size) => {
  const [, K4, N4] = inFours(size);
  return 64 * K4 * N4 <= 65536 ? undefined : "weights of more than 64 KiB are no uniform";
};
/** Of a step that reads its weights from a uniform buffer, and cannot do sizes that do not fit there. */
export const weightsUniform = { where: { weights: "uniform" }, refuses: uniformRefuses } as const;
