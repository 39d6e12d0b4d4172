/** The figures of `bench simulate` as tables. */

import { type Ceilings, standing } from "../../src/selftest/profile/roofline.ts";
import type { SimulateGrowth } from "./growth.ts";
import type { PeerNote, Played, SimulateResult } from "./measure.ts";
import type { Kind } from "./runners.ts";
import { type Cells, percent, short } from "../output.ts";

/** What is timed, in words. */
export const kindTitles: Readonly<Record<Kind, string>> = {
  random: "Random slates",
  cdqn: "Acting by CDQN",
  greedy: "Greedy slates, by the utilities of all items",
  learn: "Learning by CDQN, users explore",
};
const count = (value: number) => value.toLocaleString("en-US");

/** Pages of a user a second. */
function userSteps({ users, timing }: Played): number {
  return 1e6 * users / timing.median;
}

/** How often faster clickgan is than a peer; undefined for one that was not timed. */
export function timesOf({ played }: SimulateResult, name: string): number | undefined {
  const [own, other] = ["clickgan", name].map((name) => played.find((one) => one.name === name));
  return own && other ? userSteps(own) / userSteps(other) : undefined;
}

/** A row a size: pages of a user a second, and the peers' beside it. */
export function kindCells(
  kind: Kind,
  results: readonly SimulateResult[],
  ceilings: Ceilings | undefined,
): Cells {
  const own = results.filter((result) => result.kind === kind);
  const names = new Set(own.flatMap(({ played }) => played.map(({ name }) => name)));
  const peers = [...names].filter((name) => name !== "clickgan");
  return {
    head: [
      ...["items", "slate", "users", "ms a page", "user-steps/s"],
      ...(ceilings ? ["of the multiply-add ceiling"] : []),
      ...peers.flatMap((name) => [`${name}, user-steps/s`, "times"]),
    ],
    rows: own.map((result) => {
      const clickgan = result.played.find(({ name }) => name === "clickgan");
      const microseconds = clickgan?.timing.median ?? NaN;
      return [
        ...[count(result.items), String(result.slate), count(result.users), short(microseconds / 1000)],
        clickgan ? steps(clickgan) : "-",
        ...(ceilings ? [percent(result.flops / microseconds / 1000 / ceilings.flops)] : []),
        ...peers.flatMap((name) => {
          const peer = result.played.find((one) => one.name === name);
          const times = timesOf(result, name);
          return [peer ? steps(peer) : "-", times === undefined ? "-" : `${short(times)}x`];
        }),
      ];
    }),
  };
}

const steps = (played: Played) => count(Number(userSteps(played).toPrecision(3)));

/** A row for each who learned: as many pages, what they came to, and how long that takes. */
export function returnCells({ returns, played }: SimulateResult): Cells {
  return {
    head: [
      "who",
      "user-steps learned from",
      "seconds, by the table above",
      "clicks of a new user on 20 pages",
    ],
    rows: returns.map(({ name, pages, clicks }) => {
      const own = played.find((one) => one.name === name);
      return [
        name,
        own ? count(pages * own.users) : "-",
        own ? short(pages * own.timing.median / 1e6) : "-",
        clicks.toFixed(2),
      ];
    }),
  };
}

/** A row a dispatch of a page. */
export function workCells({ work }: SimulateResult, ceilings: Ceilings | undefined): Cells {
  const all = work.reduce((sum, { timing }) => sum + timing.median, 0);
  return {
    head: ["dispatch", "kernel", "ms", "of the page", "GFLOP/s", ...(ceilings ? ["roofline"] : [])],
    rows: work.map(({ label, kernel, timing, flops, bytes }) => {
      const own = ceilings && standing({ flops, bytes }, timing.median, ceilings);
      return [
        ...[label, kernel, short(timing.median / 1000), percent(timing.median / all)],
        short(flops / timing.median / 1000),
        ...(own ? [percent(own.share)] : []),
      ];
    }),
  };
}

/** A row an axis. */
export function growthCells(growth: readonly SimulateGrowth[]): Cells {
  return {
    head: [
      "grows",
      "from, to",
      "ms a page",
      "us for one more",
      "us besides",
      "a point is off the line by at most",
    ],
    rows: growth.map(({ axis, points, line }) => [
      axis,
      points.map(({ x }) => count(x)).join(", "),
      points.map(({ microseconds }) => short(microseconds / 1000)).join(", "),
      short(line.slope),
      short(line.constant),
      percent(line.error),
    ]),
  };
}

/** What peers say of themselves: those that take part by how near they come at all sizes, the others one by one. */
export function noteLines(notes: readonly PeerNote[]): string[] {
  const near = Map.groupBy(
    notes.filter(({ agreement }) => agreement),
    ({ peer, note }) => `${peer} (${note})`,
  );
  return [
    ...Array.from(near, ([who, own]) => `${who}: ${nearText(own)}`),
    ...notes.filter(({ agreement }) => !agreement).map(({ peer, items, slate, note, wrong }) =>
      `${peer}, ${count(items)} items, slates of ${slate}: ${wrong ? "not timed, " : ""}${note}`
    ),
  ];
}

function nearText(notes: readonly PeerNote[]): string {
  const most = (of: (note: PeerNote) => number | undefined) =>
    Math.max(...notes.flatMap((note) => of(note) ?? []));
  const slates = most(({ agreement }) => agreement?.slates);
  const loss = most(({ lossOff }) => lossOff);
  return `P(any click) within ${most(({ agreement }) => agreement?.probability).toPrecision(2)}, ` +
    `${slates === 0 ? "no slate differs" : `at most ${percent(slates)} of the slates differ`}` +
    (loss >= 0 ? `, the loss of a lesson within ${loss.toExponential(1)}` : "");
}
