/** Draws the clicks of simulated users on the device. */

import chooseText from "../../kernels/simulate/choose_click.wgsl" with { type: "text" };
import type { ClickDispatch } from "../batch/click_sizes.ts";
import { purposes } from "../data/philox.ts";
import { parseKernel } from "../gpu/kernel.ts";
import { asBufferView, type View } from "../gpu/memory.ts";
import type { Tensor } from "../tape/tensor.ts";
import type { SimulationSettings } from "./simulator_options.ts";
import type { PageBuffers } from "./page_buffers.ts";
import type { SimulatedUsers } from "./users.ts";

const chooseKernel = parseKernel("choose_click", chooseText);

/** Rules of an episode: the reward of a click, and when users leave. */
export type EpisodeRules = Pick<SimulationSettings, "reward" | "leave" | "patience">;

/** Log of an episode in device memory. */
export interface LogViews {
  /** [pages, users, slots] u32: the shown items. */
  readonly slates: View;
  /** [pages, users] vec4f: clicked slot (k: no click), reward, P(any click), 1; all 0 after a user left. */
  readonly outcomes: View;
}

/** Allocates the log of an episode. @throws UserError if the adapter lacks the memory. */
export function logViews({ arena, users, slate, pages }: PageBuffers): LogViews {
  return {
    slates: arena.allocate("log of slates", 4 * pages * users * slate),
    outcomes: arena.allocate("log of outcomes", 16 * pages * users),
  };
}

/** Draws a click or no click for each user. @param utilities - [rows, 1] utility of each shown item */
export function choose(
  page: PageBuffers,
  { eta, positionEffects }: Pick<SimulatedUsers, "eta" | "positionEffects">,
  utilities: Tensor,
  log: LogViews,
  { reward, leave, patience }: EpisodeRules,
): ClickDispatch {
  const { slate: SLATE, users: USERS } = page;
  return {
    kernel: chooseKernel,
    label: "choose_click",
    constants: {
      SLATE,
      USERS,
      ETA: eta,
      PLACES: positionEffects?.columns ?? 0,
      UTILITY: reward === "utility",
      LEAVE: leave,
      PATIENCE: patience,
      CHOICE_PURPOSE: purposes.CHOICE,
      LEAVE_PURPOSE: purposes.LEAVE,
    },
    views: {
      utility: asBufferView(utilities.view),
      slate: page.slates,
      place: asBufferView((positionEffects ?? utilities).view),
      event: page.event,
      clicked: page.clicked,
      alive: page.alive,
      log_slate: log.slates,
      log_outcome: log.outcomes,
    },
    invocations: ["users"],
    cost: (s) => ({ flops: 30 * s.rows, bytes: 12 * s.rows + 40 * s.users }),
  };
}
