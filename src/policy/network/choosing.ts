/** What an algorithm is given to choose slates by a network. */

import type { Sizes } from "../../gpu/sizes.ts";
import type { SlateValues } from "../../simulate/policy.ts";
import type { QAct } from "./q_act.ts";
import type { QNetwork } from "./q_network.ts";
import type { SlateRows } from "./slate_rows.ts";

/** Rows that slates are to be chosen for. */
export interface Choosing<S extends Sizes> extends QAct {
  readonly network: QNetwork;
  readonly rows: SlateRows<S>;
  /** Told where the values of the chosen slates are written, by an algorithm that has them. */
  readonly onValues?: (values: SlateValues) => void;
}
