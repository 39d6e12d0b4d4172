import assert from "node:assert/strict";
import fc from "fast-check";
import type { ProgressMetrics } from "../../src/cli/progress.ts";
import { createDelayedProgress, createTrainingProgress, formatProgressLine } from "../../src/cli/progress.ts";
import { formatTable, wrapText } from "../../src/cli/table.ts";
import { quotePath, quoteShellWord } from "../../src/shell_word.ts";

const metrics: ProgressMetrics = { loss: 3.14159, prec1: 0.41234, valLoss: 3.3, valPrec1: 0.4 };
const status = { iteration: 1500, total: 20_000, start: 1000, seconds: 10, metrics };

/** Matches a new line, or a control sequence that moves the cursor to the first column. */
// deno-lint-ignore no-control-regex
const LINE_START = /[\r\n]|\x1b\[1G/;
/** Matches all other control sequences. */
// deno-lint-ignore no-control-regex
const CONTROLS = /\x1b(\[[\d?]*[A-Za-z]|\d)/g;

function recorder(isTTY: boolean, columns?: number) {
  const texts: string[] = [];
  return { isTTY, columns, texts, write: (text: string) => texts.push(text) };
}

Deno.test("progress is shown on a terminal, restores its line, and is absent in a pipe", () => {
  const [terminal, pipe] = [recorder(true, 80), recorder(false)];
  for (const output of [terminal, pipe]) {
    const progress = createDelayedProgress(output, 0);
    progress.onProgress("Test users, best-loss", 1, 2);
    progress.onProgress("Test users, best-prec1", 1, 2);
    progress.stop();
  }
  assert.deepEqual(pipe.texts, []);
  assert.match(terminal.texts.join(""), /Test users, best-prec1 {2}1\/2/);
  const [last = ""] = terminal.texts.join("").split(LINE_START).slice(-1);
  assert.equal(last.replaceAll(CONTROLS, ""), "", "nothing of it stays");
  const sooner = recorder(true, 80);
  const progress = createDelayedProgress(sooner);
  progress.onProgress("Test users, best-loss", 1, 2);
  progress.stop();
  assert.deepEqual(sooner.texts, []);
});

Deno.test("progressLine fits the width: it drops the bar first, and the most important values last", () => {
  const names = { loss: "loss_min", prec1: "pi prec@1" };
  const whole = formatProgressLine({ ...status, names }, 120, 0);
  assert.match(whole, /^1,500\/20,000 .*loss_min 3\.1416 .*val pi prec@1 0\.400 .*6m10s left$/);
  for (let width = 5; width <= 130; width++) {
    const line = formatProgressLine(status, width);
    assert.ok(line.length <= width, `${line.length} > ${width}: ${line}`);
    assert.ok(line.includes("1,500/20,000".slice(0, width)), line);
    if (width >= 39) assert.match(line, /loss 3\.1416 .*6m10s left/);
    if (line.includes("[")) assert.match(line, /val prec@1 0\.400/);
  }
});

Deno.test("progressLine omits unknown values, and estimates the remaining time from this session", () => {
  const left = (iteration: number, seconds: number, start = 500) =>
    formatProgressLine({ iteration, total: 1000, start, seconds, metrics: {} }, 80, 0);
  assert.equal(left(0, 0, 0), "0/1,000");
  const names = { loss: "", prec1: "", unit: " users" };
  const users = { iteration: 1000, total: 3000, start: 0, seconds: 1, metrics: {}, names };
  assert.equal(formatProgressLine(users, 80, 0), "1,000/3,000 users  2s left");
  assert.equal(left(501, 1), "501/1,000  8m19s left");
  assert.equal(left(600, 10), "600/1,000  40s left");
  assert.equal(left(501, 100), "501/1,000  13h51m left");
  assert.equal(left(1000, 65), "1,000/1,000  took 1m05s");
});

Deno.test("without a terminal, ten plain lines name the iteration of the validation that they show", () => {
  const output = recorder(false);
  const progress = createTrainingProgress(300, 200, undefined, output);
  for (let i = 200; i <= 300; i++) {
    if (i > 200) progress.update(i, { loss: 1 });
    if (i % 4 === 0) progress.update(i, { valLoss: i });
  }
  progress.stop();
  assert.equal(output.texts.length, 10);
  for (const [k, text] of output.texts.entries()) {
    assert.match(text, /^[\x20-\x7e]+\n$/);
    const at = 200 + 10 * (k + 1);
    const of = at - at % 4;
    assert.ok(text.startsWith(`${at}/300  loss 1.0000  val loss ${of}.0000`), text);
    assert.equal(/\(validated after (\d+)\)/.exec(text)?.[1], of === at ? undefined : String(of), text);
  }
  assert.match(output.texts.at(-1) ?? "", / {2}took 0s\n$/);
});

Deno.test("trainingProgress never wraps a narrow terminal", () => {
  for (const columns of [40, 57, 79]) {
    const output = recorder(true, columns);
    const progress = createTrainingProgress(1000, 0, undefined, output);
    progress.update(500, metrics);
    progress.stop();
    const lines = output.texts.join("").split(LINE_START).map((text) => text.replace(CONTROLS, ""));
    assert.ok(lines.some((line) => line.includes("500/1,000")), JSON.stringify(output.texts));
    for (const line of lines) assert.ok(line.length < columns, line);
  }
});

Deno.test("trainingProgress writes notes on separate lines", () => {
  const plain = recorder(false);
  const progress = createTrainingProgress(10, 0, undefined, plain);
  progress.note("stopping");
  progress.stop();
  assert.deepEqual(plain.texts, ["stopping\n"]);

  const terminal = recorder(true, 60);
  const bar = createTrainingProgress(10, 0, undefined, terminal);
  bar.note("stopping");
  bar.stop();
  const text = terminal.texts.join("");
  assert.match(text, /\r[^\r\n]*stopping\n/);
  assert.ok(!text.includes("\u001b8"), "the cursor must not go back over the note");
});

Deno.test("table aligns numbers to the right and columns with any text to the left", () => {
  const lines = formatTable(["model", "loss", "rate"], [["lstm", 1, 3], ["attention", 1234, "too slow"]])
    .split("\n");
  assert.deepEqual(lines.slice(2), ["lstm          1  3", "attention  1234  too slow"]);
});

Deno.test("a table fits its width: columns are dropped in order, then the longest texts are wrapped", () => {
  const head = ["name", "loss", "what it computes", "chapter"];
  const rows = [["softmax", 1.25, "loss and gradient of a choice with a null option", "kernels/course"]];
  const at = (width: number) => formatTable(head, rows, { width, drop: ["chapter", "loss"] }).split("\n");
  for (let width = 22; width < 100; width++) {
    const lines = at(width);
    for (const line of lines) assert.ok(line.length <= width, `${line.length} > ${width}: ${line}`);
    const told = lines.slice(lines.findIndex((line) => line.startsWith("\u2500")) + 1).join(" ").replaceAll(
      /\s+/g,
      " ",
    );
    assert.equal(told.includes("kernels/course"), width >= 79, told);
    assert.equal(told.includes("1.25"), width >= 63, told);
    if (width < 57) assert.equal(told, "softmax loss and gradient of a choice with a null option");
  }
  assert.equal(at(Infinity).length, 3);
});

Deno.test("help is wrapped at words; a wrapped command stays one command for a shell", async () => {
  const help =
    "  --slate <n>  items per page, of the catalogue's items\n  deno task -q simulate --users 10 --slate 5";
  for (let width = 24; width < 70; width++) {
    const text = wrapText(help, width);
    for (const line of text.split("\n")) {
      assert.ok(line.length <= width, `${line.length} > ${width}: ${line}`);
    }
    const [about = "", command = ""] = text.split("  deno ");
    assert.equal(
      about.replaceAll(/\s+/g, " ").trim(),
      "--slate <n> items per page, of the catalogue's items",
    );
    const list = await words([`printf '%s\\0' ${command}`]);
    assert.deepEqual(list, ["task", "-q", "simulate", "--users", "10", "--slate", "5"]);
  }
});

async function words(lines: readonly string[], shell = "sh"): Promise<string[]> {
  const { stdout, success } = await new Deno.Command(shell, {
    args: ["-c", lines.join("\n")],
    stderr: "null",
  })
    .output();
  assert.ok(success);
  return new TextDecoder().decode(stdout).split("\0").slice(0, -1);
}

Deno.test({
  name: "a shell parses a quoted word back to its text",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const nasty = fc.constantFrom(...`'"\\\n-~*! ;&`, "$(touch x)", "`id`");
    // Any character by its code point, because fast-check's own unit takes 1.4 s to set up.
    const isCharacter = (code: number) => code < 0xd800 || code > 0xdfff;
    const unit = fc.integer({ min: 0, max: 0x10ffff }).filter(isCharacter).map((code) =>
      String.fromCodePoint(code)
    );
    const piece = fc.oneof(fc.string({ unit, minLength: 1, maxLength: 5 }), nasty);
    const text = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join("").replaceAll("\0", ""));
    const texts = [
      ...["", "'", "''", "a'b", "-", "--resume", "-rf /", "~", "$(id)", "a\nb", "a\\", "rr[1]", "a b"],
      ...fc.sample(text, { numRuns: 400, seed: 14 }),
    ];
    for (const shell of ["sh", "bash"]) {
      assert.deepEqual(
        await words(texts.map((text) => `printf '%s\\0' ${quoteShellWord(text)}`), shell),
        texts,
      );
    }
    const paths = texts.map((text) => (text.startsWith("-") ? `./${text}` : text));
    assert.deepEqual(await words(texts.map((text) => `printf '%s\\0' ${quotePath(text)}`)), paths);
  },
});

Deno.test("a plain path stays unquoted", () => {
  for (const path of ["runs/yelp-20260101", "/a/b.c", "../x", "a@b:c"]) assert.equal(quotePath(path), path);
  assert.equal(quotePath("-x"), "./-x");
  assert.equal(quotePath("it's"), `'it'\\''s'`);
});
