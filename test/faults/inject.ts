/**
 * Preloaded before a command (`deno run --preload inject.ts?how=kill&at=17 ...`): makes one of its file
 * operations fail, and its clock run fast, so that a short run saves often. Operations count from 1.
 *
 *   how    kill    SIGKILL before the operation; half of a write is done
 *          ENOSPC  no space from this operation on: no file grows or is created; half of a write is done
 *          EIO     this operation fails with an input/output error
 *          none    no operation fails, but the clock runs fast
 *          count   no operation fails; prints each operation to standard error, per possible kind of fault
 *   at     number of the operation
 */

const request = new URL(import.meta.url).searchParams;
const how = request.get("how");
const at = Number(request.get("at"));

/** Matches operations that change files. Kills occur only at these: a read changes no file. */
const CHANGING = /^(open:w|write|truncate|sync|rename|remove|mkdir|chmod|writeFile|writeTextFile)/;
const GROWING = /^(open:w|write|mkdir|writeFile|writeTextFile)/;

const DRIVER = "/usr/";
const driverFiles = new WeakSet<object>();

let count = 0;
let full = false;

function failure(code: "ENOSPC" | "EIO"): Error {
  const text = code === "EIO" ? "Input/output error (os error 5)" : "No space left on device (os error 28)";
  return Object.assign(new Error(text), { code });
}

function counts(how: string | null, name: string): boolean {
  return how === "EIO" || CHANGING.test(name);
}

function meet(name: string, what: string, half: () => void = () => {}): void {
  if (how === "none") return;
  if (what.startsWith(DRIVER)) return; // a run does not need the driver's version
  if (how === "count") {
    const met = ["kill", "ENOSPC", "EIO"].filter((one) => counts(one, name));
    return void writeTrace(`fault-point ${met.join(" ")}: ${name} ${what}`);
  }
  if (!counts(how, name)) return;
  if (full && GROWING.test(name)) throw failure("ENOSPC");
  count++;
  if (count !== at) return;
  if (how === "EIO") throw failure("EIO");
  if (how === "ENOSPC") {
    full = true;
    if (!GROWING.test(name)) return;
    half();
    throw failure("ENOSPC");
  }
  half();
  Deno.kill(Deno.pid, "SIGKILL");
  for (;;); // until the signal arrives
}

const trueWrite = Deno.FsFile.prototype.writeSync;
const encoder = new TextEncoder();
function writeTrace(line: string): void {
  Deno.stderr.writeSync(encoder.encode(`${line}\n`));
}

function wrap<T extends object, K extends keyof T & string>(
  owner: T,
  name: K,
  label: (args: readonly unknown[], self: unknown) => [name: string, what: string, half?: () => void],
): void {
  const original = owner[name];
  if (typeof original !== "function") throw new Error(`no method ${name}`);
  const isSync = name.endsWith("Sync");
  const replaced = function (this: unknown, ...args: unknown[]): unknown {
    try {
      meet(...label(args, this));
    } catch (error) {
      if (isSync) throw error;
      const rejected = Promise.reject(error);
      return name === "readDir" ? { [Symbol.asyncIterator]: () => ({ next: () => rejected }) } : rejected;
    }
    const result = Reflect.apply(original, this, args);
    if (name === "openSync" && String(args[0]).startsWith(DRIVER)) driverFiles.add(result);
    return result;
  };
  Object.defineProperty(owner, name, { value: replaced, configurable: true, writable: true });
}

const isDriverFile = (self: unknown) => typeof self === "object" && self !== null && driverFiles.has(self);

const isWriting = (options: unknown) =>
  typeof options === "object" && options !== null &&
  ["write", "append", "create", "createNew", "truncate"].some((key) => Reflect.get(options, key) === true);

for (const name of ["open", "openSync"] as const) {
  wrap(Deno, name, ([path, options]) => [isWriting(options) ? "open:w" : "open:r", String(path)]);
}
for (
  const name of ["rename", "renameSync", "remove", "removeSync", "mkdir", "mkdirSync", "chmodSync"] as const
) {
  wrap(Deno, name, ([path]) => [name, String(path)]);
}
for (const name of ["writeFile", "writeTextFile"] as const) {
  wrap(Deno, name, ([path, data]) => [name, String(path), () => {
    const bytes = typeof data === "string" ? encoder.encode(data) : data;
    if (bytes instanceof Uint8Array) Deno.writeFileSync(String(path), bytes.subarray(0, bytes.length >> 1));
  }]);
}
for (
  const name of [
    "readFile",
    "readFileSync",
    "readTextFile",
    "readTextFileSync",
    "readDir",
    "readDirSync",
    "stat",
    "statSync",
    "lstat",
    "lstatSync",
    "realPathSync",
  ] as const
) {
  wrap(Deno, name, ([path]) => [name, String(path)]);
}
const file = Deno.FsFile.prototype;
for (const name of ["write", "writeSync"] as const) {
  wrap(file, name, ([data], self) => [name, "", () => {
    if (data instanceof Uint8Array) Reflect.apply(trueWrite, self, [data.subarray(0, data.length >> 1)]);
  }]);
}
for (
  const name of ["sync", "syncSync", "truncateSync", "read", "readSync", "seekSync", "statSync"] as const
) {
  wrap(file, name, (_, self) => [name, isDriverFile(self) ? DRIVER : ""]);
}

// Snapshots are due every 20 seconds; with this clock, every few steps.
let now = 0;
performance.now = () => now += 500;
