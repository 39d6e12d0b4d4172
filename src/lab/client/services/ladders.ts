/** The service of the screen Ladders: each step of a ladder is checked here, and then they race. */

import type { Size } from "../../../selftest/ladder/problem.ts";
import { ladders } from "../../../selftest/ladder/ladders.ts";
import { ladderFigures, runLadder } from "../../../selftest/ladder/run.ts";
import type { LadderFigures } from "../../../selftest/profile/bench_report.ts";
import { UserError } from "../../../user_error.ts";
import { expectWanted, type LabWorker } from "../lab_worker.ts";
import type { Method } from "../protocol.ts";

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
  const list: Method<undefined, readonly LadderFacts[]> = () =>
    ladders.map(({ name, title, size, steps }) => ({ name, title, size, steps: steps.length }));

  const race: Method<RaceRequest, LadderFigures, string> = ({ ladder: name, rounds }, { progress, signal }) =>
    worker.alone("A ladder is being climbed", signal, async () => {
      const ladder = ladders.find((ladder) => ladder.name === name);
      if (!ladder) throw new UserError(`There is no ladder ${name}.`);
      const onProgress = (text: string) => {
        expectWanted(signal);
        progress(text);
      };
      const results = await runLadder(await worker.gpu(), ladder, { rounds, onProgress });
      return ladderFigures(ladder, ladder.size, results);
    });

  return { list, race };
}
