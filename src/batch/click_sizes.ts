/** What a batch of clicks counts. */

import type { DispatchSpec } from "../gpu/program.ts";
import { Dimensions } from "../gpu/sizes.ts";

/** Users, their events, the rows of these (displayed items), and the distinct items of the rows: B, E, R, D. */
export type ClickSizes = Readonly<Record<"users" | "events" | "rows" | "items", number>>;

export type ClickDispatch = DispatchSpec<ClickSizes>;

export const clickDimensions = new Dimensions<ClickSizes>(["users", "events", "rows", "items"], "rows");
