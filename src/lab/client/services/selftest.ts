/** The service of the screen Self-test: every kernel on the reader's adapter, beside the same in float64. */

import type { AdapterKind } from "../../../gpu/kernel_shapes.ts";
import type { KindFinding, SelftestResult } from "../../../selftest/results.ts";
import { type LeftOutChoice, runSelftest } from "../../../selftest/run.ts";
import type { LabWorker } from "../lab_worker.ts";
import type { Call } from "../protocol.ts";

export interface SelftestRequest {
  /** Whose kernels. */
  readonly kinds: readonly AdapterKind[];
  /** Only cases with this in their names; "" for all. */
  readonly only: string;
  /** Of kernels that the adapter never takes; absent: they are named. */
  readonly leftOut?: LeftOutChoice;
}

export type SelftestProgress =
  /** A case begins. */
  | { readonly kind: "case"; readonly name: string; readonly number: number; readonly of: number }
  /** What came of one. */
  | { readonly kind: "finding"; readonly finding: KindFinding };

export function selftestService(worker: LabWorker) {
  return {
    /** Runs all cases on devices of its own. A cancelled run ends after the case that is under way. */
    run(
      { kinds, only, leftOut }: SelftestRequest,
      { progress, signal }: Call<SelftestProgress>,
    ): Promise<SelftestResult> {
      return worker.alone(
        "A self-test is under way",
        signal,
        () =>
          runSelftest((options) => worker.open(options), {
            kinds,
            only,
            leftOut,
            onCase: ({ name, kind, number, of }) =>
              progress({ kind: "case", name: `${name}, ${kind} shapes`, number, of }),
            onFinding: (finding) => progress({ kind: "finding", finding }),
            stopped: () => signal.aborted,
          }),
      );
    },
  };
}
