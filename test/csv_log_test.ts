import fc from "fast-check";
import assert from "node:assert/strict";
import { UserError } from "../src/user_error.ts";
import { CsvLog, type LogFile } from "../src/run/csv_log.ts";

const columns = ["iteration", "loss", "prec@1"];

/** Runs `body` with a path in a fresh folder that is removed afterwards. */
async function withPath(body: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(`${folder}/log.csv`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const all = () => true;

Deno.test("CsvLog writes a header and rows, and resumes after the last row to keep", () =>
  withPath(async (path) => {
    const log = await CsvLog.create(path, columns);
    for (let i = 1; i <= 4; i++) log.append([i, i / 8, 0.5]);
    log.close();
    assert.equal(
      Deno.readTextFileSync(path),
      "iteration,loss,prec@1\n1,0.125,0.5\n2,0.25,0.5\n3,0.375,0.5\n4,0.5,0.5\n",
    );
    const resumed = await CsvLog.resume(path, columns, (iteration) => iteration <= 2);
    resumed.append([3, 1, "a"]);
    resumed.close();
    assert.equal(Deno.readTextFileSync(path), "iteration,loss,prec@1\n1,0.125,0.5\n2,0.25,0.5\n3,1,a\n");
  }));

Deno.test("CsvLog keeps rows in memory until it is flushed", () =>
  withPath(async (path) => {
    const log = await CsvLog.create(path, ["x"]);
    log.append([1]);
    assert.equal(Deno.readTextFileSync(path), "x\n");
    log.flush();
    assert.equal(Deno.readTextFileSync(path), "x\n1\n");
    log.flush();
    log.close();
    assert.equal(Deno.readTextFileSync(path), "x\n1\n");
  }));

Deno.test("CsvLog writes numbers that read back as the same floats", () =>
  withPath(async (path) => {
    const log = await CsvLog.create(path, ["x"]);
    const numbers = fc.sample(fc.double(), { numRuns: 300, seed: 1 }).concat(NaN, -0, Infinity, 5e-324);
    for (const x of numbers) log.append([x]);
    log.close();
    const read = Deno.readTextFileSync(path).trimEnd().split("\n").slice(1).map(Number);
    assert.deepEqual(read, numbers);
  }));

Deno.test("CsvLog quotes text", () =>
  withPath(async (path) => {
    const log = await CsvLog.create(path, ["i", "note"]);
    log.append([1, 'a, "b"']);
    assert.throws(() => log.append([2, "two\nlines"]), RangeError);
    assert.throws(() => log.append([2]), /2 values expected, got 1/);
    log.close();
    assert.equal(Deno.readTextFileSync(path), 'i,note\n1,"a, ""b"""\n');
    (await CsvLog.resume(path, ["i", "note"], all)).close();
  }));

Deno.test("CsvLog drops a line that was cut short, wherever it was cut", () =>
  withPath(async (path) => {
    const text = "iteration,loss,prec@1\n1,2,3\n4,5,6\n";
    for (let cut = 0; cut <= text.length; cut++) {
      Deno.writeTextFileSync(path, text.slice(0, cut));
      const log = await CsvLog.resume(path, columns, all);
      log.close();
      const whole = Math.max(text.indexOf("\n") + 1, text.slice(0, cut).lastIndexOf("\n") + 1);
      assert.equal(Deno.readTextFileSync(path), text.slice(0, whole));
    }
  }));

Deno.test("CsvLog says what is wrong with a file", () =>
  withPath(async (path) => {
    await assert.rejects(CsvLog.resume(path, columns, all), (error) => {
      assert.ok(error instanceof UserError);
      assert.match(error.message, /cannot read the log .*log\.csv: no such file/);
      return true;
    });
    const cases: [string, RegExp][] = [
      ["a,b\n1,2\n", /log\.csv: expected the header "iteration,loss,prec@1", found "a,b"/],
      ["iteration,loss,prec@1\n1,2,3\n1,2\n", /log\.csv:3: expected 3 values.*found "1,2"/],
      ["iteration,loss,prec@1\nx,2,3\n", /log\.csv:2: expected 3 values, the first a number/],
    ];
    for (const [text, message] of cases) {
      Deno.writeTextFileSync(path, text);
      await assert.rejects(CsvLog.resume(path, columns, all), (error) => {
        assert.ok(error instanceof UserError);
        assert.match(error.message, message);
        return true;
      });
      assert.equal(Deno.readTextFileSync(path), text);
    }
    await assert.rejects(CsvLog.create(path, columns), /a file of this name is in the way/);
    await assert.rejects(CsvLog.create(`${path}/x`, columns), /a part of this path is a file/);
  }));

Deno.test("CsvLog names the file when the disk is full, keeps the rows, and writes them once there is room", () => {
  // A disk with room for a few bytes. (Deno gives /dev/full only to processes with every permission.)
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
    close() {},
  };
  const log = new CsvLog(file, "runs/log.csv", 2, 0);
  log.append([1, 2]);
  log.flush();
  log.append([3, 4]);
  assert.throws(() => log.flush(), (error) => {
    assert.ok(error instanceof UserError);
    assert.match(error.message, /cannot write runs\/log\.csv: the disk is full\. Free some space/);
    return true;
  });
  assert.equal(text, "1,2\n");
  room = 100;
  log.append([5, 6]);
  log.close();
  assert.equal(text, "1,2\n3,4\n5,6\n");
});
