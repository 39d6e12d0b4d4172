/** How the time of a page grows with users, items and slate. */

import type { Gpu } from "../../src/gpu/device.ts";
import { Made } from "../../src/gpu/made.ts";
import { fitLine, type Line } from "../growth.ts";
import { timingOf } from "../../src/selftest/profile/timing.ts";
import { pagesFor } from "./measure.ts";
import { PagePlayer, type PageSizes, untrainedModel } from "./pages.ts";

/** One size after another, all others fixed, and the line through it. */
export interface SimulateGrowth {
  readonly axis: string;
  readonly points: readonly { readonly x: number; readonly microseconds: number }[];
  /** Microseconds a page by what is counted along the axis. */
  readonly line: Line;
}

/** @param base the smallest sizes: each axis goes on from there. */
export async function measureSimulateGrowth(
  gpu: Gpu,
  base: PageSizes,
  seconds: number,
  rounds: number,
  say: (text: string) => void,
): Promise<SimulateGrowth[]> {
  const axes: [axis: keyof PageSizes, values: number[]][] = [
    ["users", [1, 2, 4, 8].map((times) => times * base.users)],
    ["items", [1, 2, 4, 8].map((times) => times * base.items)],
    ["slate", [1, 2, 3, 4].map((times) => times * base.slate)],
  ];
  const growth: SimulateGrowth[] = [];
  for (const [axis, values] of axes) {
    using made = new Made();
    const players: { play: PagePlayer["play"]; pages: number; samples: number[] }[] = [];
    for (const value of values) {
      say(`growth in ${axis}: ${value}`);
      const sizes = { ...base, [axis]: value };
      const model = made.keep(untrainedModel(gpu, sizes.items));
      const player = made.keep(await PagePlayer.create(gpu, model, "cdqn", sizes));
      const play = (pages: number) => player.play(pages);
      const pages = await pagesFor({ name: "clickgan", users: sizes.users, play }, 1000 * seconds / rounds);
      players.push({ play, pages, samples: [] });
    }
    for (let round = 1; round <= rounds; round++) {
      for (const { play, pages, samples } of players) samples.push(1000 * await play(pages) / pages);
    }
    const points = players.map(({ samples }, k) => ({
      x: values[k] ?? NaN,
      microseconds: timingOf(samples).median,
    }));
    growth.push({ axis, points, line: fitLine(points.map(({ x, microseconds: y }) => ({ x, y }))) });
  }
  return growth;
}
