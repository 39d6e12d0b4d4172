/** Choice of clicks on the device. */

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

/** Reward of a click, and when users leave. */
export type EpisodeRules = Pick<SimulationSettings, "reward" | "leave" | "patience">;

/** The log of an episode on the device. */
export interface LogViews {
  /** [T, U, k] u32 */
  readonly slates: View;
  /** [T, U] vec4f: slot or k for none, reward, P(any click), 1; zeros for a user who has left. */
  readonly outcomes: View;
}

/** Allocates the log of an episode. @throws UserError beyond the adapter's memory. */
export function logViews({ arena, users, slate, pages }: PageBuffers): LogViews {
  return {
    slates: arena.allocate("log of slates", 4 * pages * users * slate),
    outcomes: arena.allocate("log of outcomes", 16 * pages * users),
  };
}

/** Records each user's click on an item of the slate or none. @param utilities [rows, 1] of the slates */
export function choose(
  page: PageBuffers,
  { eta, positionEffects: positionEffects }: Pick<SimulatedUsers, "eta" | "positionEffects">,
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
