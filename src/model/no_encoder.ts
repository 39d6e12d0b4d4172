/** No encoder: the utility knows the item alone. */

import { linear } from "../ops/linear.ts";
import type { ClickTape } from "../batch/click_tape.ts";
import { bufferOf } from "../gpu/memory.ts";
import type { Tensor } from "../tape/tensor.ts";

/** [events, N]: the first layer's bias for every event, as a product with the number 1. */
export function noStatePart(tape: ClickTape): Tensor {
  const { arena, capacity } = tape.options;
  const ones = tape.tensor("encoder/none", "events", 1, {
    view: arena.allocate("a one for each event", 16 * capacity.events),
    trainable: false,
  });
  const values = Float32Array.from({ length: 4 * capacity.events }, (_, k) => (k % 4 === 0 ? 1 : 0));
  arena.gpu.queue.writeBuffer(bufferOf(ones.view).buffer, bufferOf(ones.view).offset, values);
  return linear(tape, "utility/layer1/state_part", {
    input: ones,
    weights: tape.parameter("utility/layer1/bias"),
  });
}
