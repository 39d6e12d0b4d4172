import fc from "fast-check";
import assert from "node:assert/strict";
import { formatCsvRow, isFormula } from "../../src/csv.ts";
import { CsvLog, type LogFile } from "../../src/run/csv_log.ts";
import { computeLogMark } from "../bad_inputs/good_inputs.ts";
import { isUserError, withEmptyFolder } from "./folder_check.ts";

function withPath(body: (path: string) => void): Promise<void> {
  return withEmptyFolder((folder) => body(`${folder}/log.csv`));
}

const columns = ["iteration", "loss", "prec@1"];
const HEADER = "iteration,loss,prec@1\n";

Deno.test("CsvLog writes a header, and rows as they are flushed", () =>
  withPath((path) => {
    const log = CsvLog.begin(path, columns);
    for (let i = 1; i <= 2; i++) log.append([i, i / 8, 0.5]);
    assert.equal(Deno.readTextFileSync(path), HEADER);
    log.flush();
    const mark = log.mark();
    for (let i = 3; i <= 4; i++) log.append([i, i / 8, 0.5]);
    assert.deepEqual(log.mark(), mark, "unflushed rows do not count");
    assert.deepEqual(mark, computeLogMark(Deno.readTextFileSync(path)));
    log.close();
    assert.equal(
      Deno.readTextFileSync(path),
      "iteration,loss,prec@1\n1,0.125,0.5\n2,0.25,0.5\n3,0.375,0.5\n4,0.5,0.5\n",
    );
  }));

Deno.test("CsvLog writes numbers that read back as the same floats", () =>
  withPath((path) => {
    const log = CsvLog.begin(path, ["x"]);
    const numbers = fc.sample(fc.double(), { numRuns: 300, seed: 1 }).concat(NaN, -0, Infinity, 5e-324);
    for (const x of numbers) log.append([x]);
    log.close();
    const read = Deno.readTextFileSync(path).trimEnd().split("\n").slice(1).map(Number);
    assert.deepEqual(read, numbers);
  }));

Deno.test("a CSV row follows RFC 4180 and keeps formulas; a log row is one line", () =>
  withPath((path) => {
    const cells = ["=1+1", "+49 30", "-x", "@SUM(A1)", 'a, "b"', "two\r\nlines", " x ", ""];
    const row = formatCsvRow(cells);
    assert.equal(row, '=1+1,+49 30,-x,@SUM(A1),"a, ""b""","two\r\nlines", x ,\n');
    assert.deepEqual([...cells, "-5", "+1e3", "\tx"].filter(isFormula), [...cells.slice(0, 4), "\tx"]);
    assert.equal(formatCsvRow([null, undefined, true, -0, 0.1, "-5"]), ",,1,-0,0.1,-5\n");
    const log = CsvLog.begin(path, ["i", "note"]);
    log.append([1, 'a, "b"']);
    assert.throws(() => log.append([2, "two\nlines"]), RangeError);
    assert.throws(() => log.append([2]), /2 values expected, got 1/);
    log.close();
    assert.equal(Deno.readTextFileSync(path), 'i,note\n1,"a, ""b"""\n');
  }));

Deno.test("CsvLog resumes from its mark, and discards later text", () =>
  withPath((path) => {
    const text = `${HEADER}1,2,3\n4,5,6\n`;
    for (const behind of ["", "7", "7,8,9\n", "\n\n", "no number", "\0".repeat(5000)]) {
      Deno.writeTextFileSync(path, text + behind);
      const log = CsvLog.resume(path, columns, computeLogMark(text));
      assert.deepEqual(log.mark(), computeLogMark(text));
      log.append([7, 8, 9]);
      log.close();
      assert.equal(Deno.readTextFileSync(path), `${text}7,8,9\n`);
    }
  }));

Deno.test("CsvLog does not resume a changed log, and leaves it as it is", () =>
  withPath((path) => {
    const text = `${HEADER}1,2,3\n4,5,6\n`;
    const mark = computeLogMark(text);
    assert.throws(
      () => CsvLog.resume(path, columns, mark),
      isUserError(/Expected the first \d+ bytes of .* only 0\. Put the old file/),
    );
    const changed = [
      "",
      text.slice(0, -1),
      text.replace("5", "6"),
      text.replace(HEADER, ""),
      `${HEADER}4,5,6\n1,2,3\n`,
      text.replaceAll("\n", "\r\n"),
      `\ufeff${text}`,
    ];
    for (const other of changed) {
      Deno.writeTextFileSync(path, other);
      assert.throws(
        () => CsvLog.resume(path, columns, mark),
        isUserError(/Expected the first \d+ bytes of .*log\.csv/),
      );
      assert.equal(Deno.readTextFileSync(path), other);
    }
  }));

Deno.test("CsvLog starts only without a file or with an incomplete header", () =>
  withPath((path) => {
    for (let cut = 0; cut <= HEADER.length; cut++) {
      Deno.writeTextFileSync(path, HEADER.slice(0, cut));
      CsvLog.begin(path, columns).close();
      assert.equal(Deno.readTextFileSync(path), HEADER);
    }
    for (const other of [`${HEADER}1,2,3\n`, "a,b\n", "x", `${HEADER}\n`]) {
      Deno.writeTextFileSync(path, other);
      assert.throws(
        () => CsvLog.begin(path, columns),
        isUserError(/Expected no log at .*Nothing was changed/),
      );
      assert.equal(Deno.readTextFileSync(path), other);
    }
    assert.throws(() => CsvLog.begin(`${path}/x`, columns), isUserError(/a part of this path is a file/));
  }));

Deno.test("CsvLog names the file on a full disk, keeps the rows, and writes them later", () => {
  // A disk with space for a few bytes; Deno allows /dev/full only with all permissions.
  let text = "";
  let room = 6;
  const file: LogFile = {
    writeSync(bytes) {
      const taken = Math.min(4, room - text.length, bytes.length);
      if (taken === 0) throw Object.assign(new Error("No space left on device"), { code: "ENOSPC" });
      text += new TextDecoder().decode(bytes.subarray(0, taken));
      return taken;
    },
    truncateSync: (length = 0) => text = text.slice(0, length),
    syncSync() {},
    close() {},
  };
  const log = new CsvLog(file, "runs/log.csv", 2);
  log.append([1, 2]);
  log.flush();
  log.append([3, 4]);
  assert.throws(
    () => log.flush(),
    isUserError(/cannot write runs\/log\.csv: the disk is full\. Free some space/),
  );
  assert.equal(text, "1,2\n");
  room = 100;
  log.append([5, 6]);
  log.close();
  assert.equal(text, "1,2\n3,4\n5,6\n");
});
