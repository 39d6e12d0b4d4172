/** What a screen is, and what it is given. Colours are the style sheet's, by day, by night and on paper: draw in SVG. */

import type { CallWorker } from "./connection.ts";
import type { AdapterFacts } from "./protocol.ts";

/** One idea of the lab, under a tab of its own. Another one is a file in screens/, and a line in screens.ts and in other_screens.ts. */
export interface Screen extends ScreenBody {
  /** In the page's address, behind #. */
  readonly id: string;
  /** On its tab. */
  readonly title: string;
}

export interface ScreenBody {
  /**
   * Fills its part of the page, once, when it is first shown. The part stays where it is, hidden while another screen is
   * shown. A heading with the title stands in it already.
   */
  mount(root: HTMLElement, lab: Lab): void | Promise<void>;
}

/** What the device is right now. */
export type DeviceState =
  /** Nothing has asked for it yet, or it is being opened. */
  | { readonly kind: "opening" }
  | { readonly kind: "open"; readonly adapter: AdapterFacts }
  /** It is gone; the next call opens it anew. */
  | { readonly kind: "lost"; readonly reason: string }
  /** There is none. */
  | { readonly kind: "none"; readonly message: string };

/** What all screens share. */
export interface Lab {
  /** Calls a service of the worker: `lab.call("train", "start", ..., { onProgress, signal })`. */
  readonly call: CallWorker;
  readonly device: DeviceState;
  /** Calls back now and whenever the device has changed. */
  onDevice(listener: (state: DeviceState) => void): void;
  /** Calls back each time the screen of this id is shown, the first time right after it was mounted. */
  onShow(id: string, listener: () => void): void;
  /** Shows another screen. */
  show(id: string): void;
  /**
   * Keeps something that was measured on this adapter, for the screen Save.
   * @param name what it is, in the file: "ladders". The last one of a name counts.
   */
  keep(name: string, value: unknown): void;
  /** What was kept. */
  readonly kept: ReadonlyMap<string, unknown>;
  /** Calls back when something was kept. */
  onKept(listener: () => void): void;
}
