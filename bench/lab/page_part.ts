/** What the bench puts into the lab's page before its script: it records the worker that the page starts, and frames. */

import { Recorder } from "./recorder.ts";

/** What a page has, of which Deno's types for programs know nothing. */
declare function requestAnimationFrame(callback: (now: number) => void): number;

/** [when, milliseconds since the one before] */
const frames: [number, number][] = [];
const own: { recorder?: Recorder; readonly frames: typeof frames } = { frames };

globalThis.Worker = class extends Worker {
  constructor(url: string | URL, options?: WorkerOptions) {
    super(url, options);
    own.recorder = new Recorder(this);
  }
};

let before = NaN;
requestAnimationFrame(function next(now) {
  if (!Number.isNaN(before)) frames.push([now, now - before]);
  before = now;
  requestAnimationFrame(next);
});

Object.assign(globalThis, { benchLab: own });
