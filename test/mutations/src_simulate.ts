/** Faults of what is said and written of simulated users. */

import { type Mutation, mutationsOf } from "./mutation.ts";

const figures = { tests: ["simulated_figures"] };
const writer = { tests: ["prepared_set"] };
const command = { tests: ["simulate_command"], filter: "/^a shop's own users/" };

export const simulateMutations: readonly Mutation[] = [
  ...mutationsOf("src/policy/comparison/simulated_figures.ts", figures, [
    ["if (!present[place]) break;", "if (!present[place]) continue;", "who has left stays away"],
    ["(log.firstUser + u) % this.#groups", "u % this.#groups"],
    ["rewardAPage: ratio(WHOLE.return, WHOLE.seen)", "rewardAPage: ratio(WHOLE.return, WHOLE.users)"],
    ["if (clicked && reward < 0)", "if (reward < 0)", "without a click the reward is 0"],
    ["clickRate: ofPage(t, PAGE.clicks)", "clickRate: ofPage(t, PAGE.reward)"],
    ["if (page >= 0) this.#byPage", "if (page > 0) this.#byPage"],
  ]),
  ...mutationsOf("src/policy/episode_file.ts", figures, [
    ["const user = firstUser + u;", "const user = u;"],
    ["if (!present[at]) break;", ""],
    ["slot: slot < k ? slot : null", "slot"],
    ["at * k, (at + 1) * k", "at, at + k"],
  ]),
  ...mutationsOf("src/simulate/commands/results.ts", figures, [
    ["const counts = told.noClickRate === undefined;", "const counts = true;"],
    ["if (next === Infinity) break;", "break;"],
  ]),
  ...mutationsOf("src/data/sets/prepared_writer.ts", writer, [
    ["clickedRows(clicks, e).map((click) => click - row);", "clickedRows(clicks, e).map(() => 0);"],
    ["const given = eventGiven?.[e] === GIVEN_HISTORY;", "const given = false;"],
    ["[users.count, pages,", "[user, pages,"],
    ["token.subarray(first[k], first[k + 1])", "token.subarray(first[k], first[k])"],
  ]),
  ...mutationsOf("src/data/sets/prepared_writer.ts", writer, [
    ["if (this.#closed) return Promise.reject(this.#closed.why);", ""],
    ["if (this.#end.error !== undefined) throw this.#end.error;", ""],
  ]),
  ...mutationsOf("src/simulate/commands/files.ts", command, [
    ["parts[log.firstUser + place] ?? 0", "0"],
    ["startOf: setting.startOf,", "startOf: () => [],"],
  ]),
  ...mutationsOf("src/policy/commands/episode_setting.ts", command, [
    ["return number === undefined ? null : data.users.of(number);", "return null;"],
    ["const users = usersOf(source, part);", 'const users = usersOf(source, "train");'],
  ]),
];
