/** Writes the files that packed_log.ts reads. */

import { type Clicks, FURTHER_CLICK, NONE } from "../click_log.ts";
import { Growing } from "../growing.ts";
import { PackedFileWriter } from "./packed_file.ts";
import { FURTHER_BIT, GIVEN_BIT, MAGIC, VERSION } from "./packed_log.ts";
import { UserError } from "../../user_error.ts";

/** Events and rows are counted in u32. */
const MOST = 2 ** 32 - 1;

/**
 * Writes a packed log user by user: what is in memory is the index, and the chunk at hand. The file takes its name when it
 * is whole.
 *
 * @example
 * ```ts
 * using writer = PackedLogWriter.create("log.clicks");
 * for (const chunk of chunks) writer.write(chunk);
 * writer.finish();
 * ```
 */
export class PackedLogWriter implements Disposable {
  readonly #split = new Growing(Uint8Array);
  readonly #events = new Growing(Uint32Array);
  readonly #rows = new Growing(Uint32Array);
  readonly #counted = new Growing(Uint32Array);
  #totals = { events: 0, rows: 0, counted: 0 };

  private constructor(private readonly file: PackedFileWriter) {
    for (const running of [this.#events, this.#rows, this.#counted]) running.push(0);
  }

  /** Begins a file beside `path`, which takes its place when it is finished. @throws {UserError} where it cannot be made */
  static create(path: string): PackedLogWriter {
    return new PackedLogWriter(PackedFileWriter.create(path));
  }

  /** Appends users with all of their events, in order. @throws UserError for a log beyond what the file can count. */
  write({ userSplit, userEvents, eventRows, eventClick, eventGiven, rowItem }: Clicks): void {
    const totals = this.#totals;
    const events = (userEvents.at(-1) ?? 0) - (userEvents[0] ?? 0);
    if (totals.events + events > MOST || totals.rows + rowItem.length > MOST) {
      throw new UserError(
        `Expected a log of at most ${MOST} events and as many rows for ${this.file.path}, got more.`,
      );
    }
    const words = new Uint32Array(2 * events + rowItem.length);
    let at = 0;
    for (let user = 0; user < userSplit.length; user++) {
      const [from, to] = [userEvents[user] ?? 0, userEvents[user + 1] ?? 0];
      const [first, end] = [eventRows[from] ?? 0, eventRows[to] ?? 0];
      for (let e = from; e < to; e++) {
        const [row, next, click] = [eventRows[e] ?? 0, eventRows[e + 1] ?? 0, eventClick[e] ?? NONE];
        const kind = eventGiven?.[e] ?? 0;
        const given = kind > 0;
        const clicked = click !== NONE;
        if (
          next <= row || (clicked && (click < row || click >= next)) ||
          (given && (!clicked || next > row + 1))
        ) {
          throw new UserError(
            "Expected pages of at least one row with the click among them, and given events of a single click, but " +
              `event ${e - from} of user ${this.#split.length} ` +
              `has rows ${row}..${next - 1} and its click at ${click}.`,
          );
        }
        words[at++] = next - row + (given ? GIVEN_BIT : 0) + (kind === FURTHER_CLICK ? FURTHER_BIT : 0);
        words[at++] = click === NONE ? NONE : click - row;
        if (!given) totals.counted++;
      }
      words.set(rowItem.subarray(first, end), at);
      at += end - first;
      totals.events += to - from;
      totals.rows += end - first;
      this.#split.push(userSplit[user] ?? 0);
      this.#events.push(totals.events);
      this.#rows.push(totals.rows);
      this.#counted.push(totals.counted);
    }
    this.file.append(words.subarray(0, at));
  }

  /** Ends the file and gives it its name. @throws UserError where it cannot be written. */
  finish(): void {
    const { events, rows } = this.#totals;
    const split = this.#split.values();
    for (const running of [this.#events, this.#rows, this.#counted]) this.file.append(running.values());
    this.file.append(split);
    this.file.finish([...MAGIC, VERSION, split.length, events, rows]);
  }

  /** Takes an unfinished file back. */
  [Symbol.dispose](): void {
    this.file[Symbol.dispose]();
  }
}
