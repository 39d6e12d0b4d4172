/**
 * Copy of the training log on the device. A log in memory is uploaded as a whole. From a log on disk, only
 * the clicks of the next steps' users are uploaded, into one window of device memory. One window is enough:
 * the queue runs uploads and steps in order, so an upload never overwrites clicks that a step still needs.
 */

import { DeviceLog, type LogCapacity } from "../batch/device_log.ts";
import type { LogWithCounts } from "../counts/page_counts.ts";
import { duplicateUserError, unknownUserError } from "../batch/plan.ts";
import { checkSource, countEvents, countRows, readLog, toLogSource } from "../data/log_source.ts";
import type { LogSource } from "../data/log_source.ts";
import { type ClickLog, listUsers, splits } from "../data/click_log.ts";
import { createRandomStream } from "../data/random.ts";
import { UserError } from "../user_error.ts";
import { type Gpu, LimitError } from "../gpu/device.ts";
import type { ClickSizes } from "../batch/click_sizes.ts";
import { alignSourceToModel } from "../data/align_items.ts";
import type { ItemsShape } from "../data/item_catalogue.ts";
import { formatThousands } from "../number_text.ts";

/** Default size of the window (device memory for the next batches), in batches of average size. */
const WINDOW_BATCHES = 64;
/** Largest number of rows (displayed items) in the window. A row takes 12 bytes, plus its item features. */
const WINDOW_ROWS = 2 ** 21;
/** Largest number of events (pages) in the window. An event takes 16 bytes. */
const WINDOW_EVENTS = 2 ** 20;
/** Largest number of rows of validation users on the device, if the log is on disk. */
const VALIDATION_ROWS = 2 ** 22;

/** @throws UserError for a log that does not fit the model or has no users to train or validate on. */
export function openTrainingSource(
  clicks: ClickLog | LogSource,
  shape: ItemsShape,
  validates: boolean,
): LogSource {
  const source = toLogSource(clicks);
  checkSource(source, validates ? splits : ["train"]);
  return alignSourceToModel(source, shape, "the model");
}

/** Batches that fit the device together, and a log with the users of these batches. */
export interface DeviceBatches {
  readonly log: ClickLog;
  /** For each batch, the indices of its users in the log. */
  readonly batches: readonly ArrayLike<number>[];
  /** Uploads the log. First check that all batches fit the device. */
  send(): void;
}

export class TrainingLog {
  readonly deviceLog: DeviceLog;
  /** The whole log, if it is in memory; an empty log if the clicks are on disk. */
  readonly log: ClickLog;

  /**
   * @param capacity - largest sizes of a batch. @param batchOption - name of the option that sets the batch
   * size. @param windowBatches - size of a window in batches of average size; the largest batch always fits
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
    const window = source.log ? undefined : computeWindowCapacity(source, capacity, windowBatches);
    try {
      this.deviceLog = new DeviceLog(gpu, this.log, window, source.items.tokenCounts, counted);
    } catch (error) {
      if (!(error instanceof LimitError)) throw error;
      throw new UserError(
        `The batches do not fit the adapter: ${error.message} ` +
          `Use ${batchOption} ${Math.max(1, Math.floor(error.share * capacity.users))}`,
      );
    }
  }

  /**
   * Takes the next batches: as many as fit the device together, at least 1 and at most `count`.
   * @param users - function that returns the users of batch k. @throws UserError for unknown users.
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
      const fresh = this.#checkUsers(batch).filter((user) => !present.has(user));
      for (const user of fresh) {
        events += countEvents(source, user);
        rows += countRows(source, user);
      }
      const fits = events <= deviceLog.capacity.events && rows <= deviceLog.capacity.rows;
      if (!fits && taken.length > 0) break;
      for (const user of fresh) present.add(user);
      taken.push(batch);
    }
    // Sorted users keep each item's rows in the order of the whole log, so sums have the same bits.
    const all = Uint32Array.from(present).sort();
    const indices = new Map(Array.from(all, (user, index) => [user, index]));
    const log = readLog(source, all);
    const batches = taken.map((batch) => Uint32Array.from(batch, (user) => indices.get(user) ?? 0));
    return { log, batches, send: () => deviceLog.write(log) };
  }

  /** @throws UserError for an unknown or repeated user. */
  #checkUsers(batch: ArrayLike<number>): number[] {
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

/** Returns the capacity of a window: enough for the largest batch, and at most the size of the whole log. */
function computeWindowCapacity(source: LogSource, batch: ClickSizes, batches: number): LogCapacity {
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

/** Log of the validation users. Metrics on these users decide which weights are the best. */
export interface ValidationLog {
  readonly log: ClickLog;
  readonly deviceLog: DeviceLog;
  /** Indices of the validation users in `log`. */
  readonly users: Uint32Array;
}

/** @throws UserError if the validation users of a log on disk have too many rows for the device. */
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
    const [most, count, found] = [VALIDATION_ROWS, users.length, rows].map((n) => formatThousands(n));
    throw new UserError(
      `The device keeps at most ${most} displayed items for validation, ` +
        `but the ${count} validation users of ${source.name} have ${found}. ` +
        "Validate on fewer users: --validation-users " +
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
  return chosen.map((index) => all[index] ?? 0);
}
