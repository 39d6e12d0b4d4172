/** The services of the screens Ladders and Self-test: kernels are compared with float64 here, and those of a ladder race. */

import type { AdapterKind } from "../../../gpu/kernel_shapes.ts";
import { ladders } from "../../../selftest/ladder/ladders.ts";
import type { Size } from "../../../selftest/ladder/problem.ts";
import { ladderFigures, runLadder } from "../../../selftest/ladder/run.ts";
import type { LadderFigures } from "../../../selftest/profile/bench_report.ts";
import type { KindFinding, SelftestResult } from "../../../selftest/results.ts";
import { type LeftOutChoice, runSelftest } from "../../../selftest/run.ts";
import { UserError } from "../../../user_error.ts";
import { expectWanted, type LabWorker } from "../lab_worker.ts";
import type { Call } from "../protocol.ts";

export interface LadderFacts {
  readonly name: string;
  readonly title: string;
  readonly size: Size;
  readonly steps: number;
}

export interface RaceRequest {
  readonly ladder: string;
  readonly rounds: number;
}

export function laddersService(worker: LabWorker) {
  return {
    list: (): readonly LadderFacts[] =>
      ladders.map(({ name, title, size, steps }) => ({ name, title, size, steps: steps.length })),

    /** Checks the steps of a ladder, and times those that are right in turn. */
    race({ ladder: name, rounds }: RaceRequest, { progress, signal }: Call<string>): Promise<LadderFigures> {
      return worker.alone("A ladder is being climbed", signal, async () => {
        const ladder = ladders.find((ladder) => ladder.name === name);
        if (!ladder) throw new UserError(`There is no ladder ${name}.`);
        const onProgress = (text: string) => {
          expectWanted(signal);
          progress(text);
        };
        const results = await runLadder(await worker.gpu(), ladder, { rounds, onProgress });
        return ladderFigures(ladder, ladder.size, results);
      });
    },
  };
}

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
