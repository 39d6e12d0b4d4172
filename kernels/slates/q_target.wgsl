// q_target.wgsl - the target of a stored page's value: the page's reward plus the value of the best next page
//   outcome [B] (-, reward, 1; 0 if the user left, page)      next [B, STRIDE]      wanted [B]
//   wanted = reward + DISCOUNT x (sum of COUNT columns of next, from FIRST on), or only the reward if no page
//   follows: the user left, or the page was the last
//   With BOOTSTRAP a page follows the last page, as if only the horizon ended the episode; no page follows a
//     user who left.
// For          both kinds of adapter      Grid   B invocations in workgroups of 64.
// Work split   one invocation owns a row.
// On a GPU     (reasoned) bound by the launch and by latency: a few workgroups of 64 leave most cores idle.
// Cost         2 flops and 24 bytes per row.      Before   replay_sample.wgsl

const WORKGROUP = 64;
const T = 1u;
const DISCOUNT = 1.0;
const BOOTSTRAP = false;
const STRIDE = 1u;
const FIRST = 0u;
const COUNT = 1u;

struct Step { size: vec4u }  // x: rows

@group(0) @binding(0) var<storage, read> outcome: array<vec4f>;
@group(0) @binding(1) var<storage, read> next: array<f32>;
@group(0) @binding(2) var<storage, read_write> wanted: array<f32>;
@group(0) @binding(3) var<uniform> step: Step;

@compute @workgroup_size(WORKGROUP)
fn q_target(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= step.size.x) { return; }
  let of_page = outcome[id.x];
  var y = of_page.y;
  if (of_page.z > 0.5 && (BOOTSTRAP || u32(of_page.w) + 1u < T)) {
    var value = 0.0;
    for (var c = FIRST; c < FIRST + COUNT; c++) { value += next[id.x * STRIDE + c]; }
    y += DISCOUNT * value;
  }
  wanted[id.x] = y;
}
