/** What training asks of its data, told on the terminal. */

import type { LogSource } from "../../data/log_source.ts";
import type { ModelConfig } from "../../model/config.ts";
import * as data from "../options/check_data.ts";
import type { Dataset } from "../../data/sets/dataset.ts";
import { say } from "./run_stages.ts";

/** Says that pages of one item are always ranked right. @throws UserError as {@link data.notePages}. */
export function checkPages(name: string, source: LogSource): void {
  const note = data.notePages(name, source);
  if (note !== undefined) say(note);
}

/** @throws UserError as {@link data.expectPlaces}. */
export function expectPlaces(
  name: string,
  { config, places }: Dataset,
  model: Pick<ModelConfig, "positions">,
): void {
  data.expectPlaces(name, { kind: config.kind, places }, model);
}
