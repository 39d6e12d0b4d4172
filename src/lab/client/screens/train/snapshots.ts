/** Takes snapshots away as files, and brings one back. */

import { markup } from "../../../../report/html.ts";
import { withOptions } from "../../../draw/text.ts";
import { button, element, saveFile } from "../../elements.ts";
import type { SnapshotOffer } from "../../services/snapshots.ts";

export interface SnapshotActions {
  fetch(offer: SnapshotOffer): Promise<Uint8Array<ArrayBuffer>>;
  /** @returns whether the file was taken. */
  bring(file: File): Promise<boolean>;
  /** Saves the curves. */
  csv(): void;
  /** Asks the test users. */
  test(): Promise<void>;
  onError(error: unknown): void;
}

export class Snapshots {
  readonly element: HTMLElement;
  readonly #away = element("div", { class: "buttons" });
  readonly #picker = element("input", { type: "file", id: "snapshot-file", accept: ".safetensors" });
  readonly #forget = element("button", { type: "button", hidden: true }, "Start from random weights again");
  /** Whether a training starts from what was brought. */
  isUsed = false;

  constructor(private readonly actions: SnapshotActions) {
    this.#picker.addEventListener("change", () => {
      const [file] = this.#picker.files ?? [];
      if (file) void this.take(file);
    });
    this.#forget.addEventListener("click", () => this.#use(false));
    this.offer([]);
    const about =
      "The weights as a safetensors file. In a terminal: deno task evaluate --model best-loss.safetensors " +
      '--data demo. "As it stands" holds the optimiser\'s state, too: brought back, the training goes on.';
    const bring = "Bring one back, to look at it, to start or to resume from it:";
    this.element = element(
      "section",
      { class: "card snapshots", "aria-labelledby": "snapshots-title" },
      markup`<h3 id="snapshots-title">Snapshots</h3><p class="about">${withOptions(about)}</p>`,
      this.#away,
      element(
        "div",
        { class: "field" },
        element("label", { for: "snapshot-file" }, bring),
        this.#picker,
        this.#forget,
      ),
    );
  }

  /** Shows a button for each of them. */
  offer(offers: readonly SnapshotOffer[]): void {
    const { actions } = this;
    if (offers.length === 0) {
      return this.#away.replaceChildren(
        "Nothing to save yet: it stands here when a training has ended or was stopped.",
      );
    }
    this.#away.replaceChildren(
      ...offers.map((offer) =>
        button(`Save ${offer.title}`, async () => {
          try {
            saveFile(offer.file, await actions.fetch(offer), "application/octet-stream");
          } catch (error) {
            actions.onError(error);
          }
        })
      ),
      button("Save the curves as CSV", () => actions.csv()),
      button("Ask the test users", () => actions.test()),
    );
  }

  async take(file: File): Promise<void> {
    this.#use(await this.actions.bring(file));
  }

  #use(used: boolean): void {
    this.isUsed = used;
    this.#forget.hidden = !used;
    if (!used) this.#picker.value = "";
  }
}
