/** Whether users do on a policy's own pages what a model says they do: predicted beside realised clicks. */

import type { Interval } from "../figures/bootstrap.ts";
import { type EpisodeLog, type Estimate, OUTCOME, ratioOf } from "./episodes.ts";

export interface PredictedPage {
  /** Mean of the predicted P(any click) of the users who saw the page; NaN where nobody did. */
  readonly predicted: number;
  /** Share of them who clicked. */
  readonly realised: number;
  /** Of predicted less realised; null for fewer than two users. */
  readonly gap: Interval | null;
}

export interface PageCalibration {
  /** By page, from the first. */
  readonly pages: readonly PredictedPage[];
  /** Clicks a user over all pages that the model predicts. */
  readonly predicted: number;
  /** And those that were made. */
  readonly realised: number;
  /** Predicted less realised. */
  readonly gap: Estimate;
}

/** @param predicted [T, U] the model's P(any click) on the pages of the log. @throws RangeError for other pages. */
export function pageCalibrationOf(log: EpisodeLog, predicted: Float32Array): PageCalibration {
  const { users, pages, slate, outcomes } = log;
  if (predicted.length !== pages * users) {
    throw new RangeError(`expected ${pages * users} predictions, one a page, got ${predicted.length}`);
  }
  const [said, done, all] = [users, users, users].map((n) => new Float64Array(n)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const byPage = Array.from({ length: pages }, (_, page): PredictedPage => {
    const [gap, present] = [new Float64Array(users), new Float64Array(users)];
    let [predictedHere, clicked, count] = [0, 0, 0];
    for (let user = 0; user < users; user++) {
      const at = page * users + user;
      const outcome = OUTCOME.size * at;
      if (outcomes[outcome + OUTCOME.present] === 0) continue;
      const isClick = outcomes[outcome + OUTCOME.slot]! < slate ? 1 : 0;
      gap[user] = predicted[at]! - isClick;
      present[user] = 1;
      count++;
      predictedHere += predicted[at]!;
      clicked += isClick;
      said[user] = said[user]! + predicted[at]!;
      done[user] = done[user]! + isClick;
      all[user] = all[user]! + gap[user]!;
    }
    return {
      predicted: predictedHere / count,
      realised: clicked / count,
      gap: count === 0 ? null : ratioOf(gap, present).interval,
    };
  });
  const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / users;
  return { pages: byPage, predicted: mean(said), realised: mean(done), gap: ratioOf(all) };
}
