/**
 * The log as training reads it. A log in memory is on the device as a whole; of a log on disk, only the users of the next
 * steps are. Writes to the device are ordered with the steps, so one window is enough: the next users overwrite it once
 * all steps before them are encoded.
 */

import { DeviceLog, type LogCapacity, type LogWithCounts } from "../batch/device_log.ts";
import { duplicateUserError, unknownUserError } from "../batch/plan.ts";
import {
  checkSource,
  countEvents,
  countRows,
  type LogSource,
  readLog,
  toLogSource,
} from "../data/log_source.ts";
import { type ClickLog, listUsers, splits } from "../data/click_log.ts";
import { createRandomStream } from "../data/random.ts";
import { UserError } from "../user_error.ts";
import { type Gpu, LimitError } from "../gpu/device.ts";
import type { ClickSizes } from "../batch/click_sizes.ts";
import { fitSource } from "../model/item_features.ts";
import type { ItemsShape } from "../data/item_catalogue.ts";
import { formatThousands } from "../number_text.ts";

/** Batches of mean size that a window holds, if it does not become too large. */
const WINDOW_BATCHES = 64;
/** At 12 and 16 bytes on the device, and as many again on the host; beside them the features of the items that they show. */
const WINDOW_ROWS = 2 ** 21;
const WINDOW_EVENTS = 2 ** 20;
/** Rows of validation users that stay on the device, of a log on disk. */
const VALIDATION_ROWS = 2 ** 22;

/** @throws UserError for a log that does not fit together, or the model. */
export function openTrainingSource(
  clicks: ClickLog | LogSource,
  shape: ItemsShape,
  validates: boolean,
): LogSource {
  const source = toLogSource(clicks);
  checkSource(source, validates ? splits : ["train"]);
  return fitSource(source, shape, "The model");
}

/** Batches whose users stand on the device. */
export interface DeviceBatches {
  readonly log: ClickLog;
  /** Their users, as places in the log. */
  readonly batches: readonly ArrayLike<number>[];
  /** Puts the log on the device, once the batches are known to be good. */
  send(): void;
}

export class TrainingLog {
  readonly deviceLog: DeviceLog;
  /** The whole log; of a log on disk, one without users. */
  readonly log: ClickLog;

  /**
   * @param capacity of a batch of any users. @param batchOption the option that sets its users.
   * @param counted for models with counts. @param windowBatches how many batches of mean size a window holds; it always holds one of any size.
   */
  constructor(
    gpu: Gpu,
    readonly source: LogSource,
    capacity: ClickSizes,
    batchOption: string,
    windowBatches: number = WINDOW_BATCHES,
    readonly counted?: LogWithCounts,
  ) {
    this.log = source.log ?? readLog(source, new Uint32Array());
    const window = source.log ? undefined : windowCapacity(source, capacity, windowBatches);
    try {
      this.deviceLog = new DeviceLog(gpu, this.log, window, source.items.tokenCounts, counted);
    } catch (error) {
      if (!(error instanceof LimitError)) throw error;
      throw new UserError(
        `Expected batches whose pages fit the adapter: ${error.message} ` +
          `So many users fit: ${batchOption} ${Math.max(1, Math.floor(error.share * capacity.users))}`,
      );
    }
  }

  /**
   * As many of `count` batches as the device takes at once, at least one.
   * @param users of batch k. @throws UserError for users that the log does not have.
   */
  take(count: number, users: (k: number) => ArrayLike<number>): DeviceBatches {
    const { source, deviceLog } = this;
    if (source.log) {
      const batches = Array.from({ length: count }, (_, k) => users(k));
      return { log: source.log, batches, send: () => {} };
    }
    const taken: ArrayLike<number>[] = [];
    const present = new Set<number>();
    let [events, rows] = [0, 0];
    while (taken.length < count) {
      const batch = users(taken.length);
      const fresh = this.#distinct(batch).filter((user) => !present.has(user));
      for (const user of fresh) {
        events += countEvents(source, user);
        rows += countRows(source, user);
      }
      const fits = events <= deviceLog.capacity.events && rows <= deviceLog.capacity.rows;
      if (!fits && taken.length > 0) break;
      for (const user of fresh) present.add(user);
      taken.push(batch);
    }
    // Ascending: rows of an item then stand in the same order as in the whole log, and sums have the same bits.
    const all = Uint32Array.from(present).sort();
    const places = new Map(Array.from(all, (user, place) => [user, place]));
    const log = readLog(source, all);
    const batches = taken.map((batch) => Uint32Array.from(batch, (user) => places.get(user) ?? 0));
    return { log, batches, send: () => deviceLog.write(log) };
  }

  /** @throws UserError for a user that the log does not have, or that comes twice. */
  #distinct(batch: ArrayLike<number>): number[] {
    const users = this.source.userSplit.length;
    const seen = new Set<number>();
    for (const user of Array.from(batch)) {
      if (!(user in this.source.userSplit)) throw unknownUserError(user, users);
      if (seen.has(user)) throw duplicateUserError(user);
      seen.add(user);
    }
    return [...seen];
  }

  [Symbol.dispose](): void {
    this.deviceLog[Symbol.dispose]();
  }
}

/** No more than the log, no less than any batch. */
function windowCapacity(source: LogSource, batch: ClickSizes, batches: number): LogCapacity {
  const share = batches * batch.users / Math.max(1, source.userSplit.length);
  const room = (least: number, all: number, most: number) =>
    Math.min(all, Math.max(least, Math.min(most, Math.ceil(share * all))));
  const rows = room(batch.rows, source.userRows.at(-1) ?? 0, WINDOW_ROWS);
  return {
    events: room(batch.events, source.userEvents.at(-1) ?? 0, WINDOW_EVENTS),
    rows,
    items: Math.min(rows, source.items.shape.count),
  };
}

/** The users by whom the best weights are chosen. */
export interface ValidationLog {
  readonly log: ClickLog;
  readonly deviceLog: DeviceLog;
  /** Their places in the log. */
  readonly users: Uint32Array;
}

/**
 * @param most users, drawn by the seed; null for all.
 * @param keep takes what is to be freed in the end.
 * @throws UserError for too many users of a log on disk.
 */
export function openValidationLog(
  gpu: Gpu,
  { source, deviceLog, counted }: TrainingLog,
  { seed, most }: { seed: number; most: number | null },
  keep: (deviceLog: DeviceLog) => DeviceLog,
): ValidationLog {
  const users = validationUsers(source, seed, most);
  if (source.log) return { log: source.log, deviceLog, users };
  const rows = users.reduce((sum, user) => sum + countRows(source, user), 0);
  if (rows > VALIDATION_ROWS) {
    throw new UserError(
      `Expected validation users with at most ${formatThousands(VALIDATION_ROWS)} displayed items, as they ` +
        `stay on the device while training, but the ${
          formatThousands(users.length)
        } of ${source.name} have ` +
        `${formatThousands(rows)}. Validate on fewer: --validation-users ` +
        `${Math.max(1, Math.floor(0.9 * VALIDATION_ROWS * users.length / rows))}`,
    );
  }
  const log = readLog(source, users);
  return {
    log,
    deviceLog: keep(new DeviceLog(gpu, log, undefined, undefined, counted)),
    users: Uint32Array.from(users.keys()),
  };
}

function validationUsers(source: LogSource, seed: number, most: number | null): Uint32Array<ArrayBuffer> {
  const all = listUsers(source, "validation");
  if (most === null || most >= all.length) return all;
  const chosen = createRandomStream(seed, "validation users").sampleWithoutReplacement(all.length, most)
    .sort();
  return chosen.map((place) => all[place] ?? 0);
}
