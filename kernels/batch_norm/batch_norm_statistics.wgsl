// batch_norm_statistics.wgsl - mean and sum of squared deviations of each column, per chunk of rows
//   input [R, N]   chunk_statistics [chunks, 2, N]   mean mu_c, and M_c = sum over the chunk of (x - mu_c)^2
//
// A chunk is read twice: E[x^2] - E[x]^2 from one pass would lose all digits if the mean is much larger than
// the spread.
//
// For          both kinds of adapter      Grid   chunks N / 4 invocations in workgroups of 8 (64 on a GPU).
// Work split   one invocation owns four columns of one chunk of rows; neighbours own neighbouring columns.
// On a GPU     (reasoned) coalesced. 64 columns in 128 chunks are only 2,048 invocations. Each reads its
//              chunk's rows twice, with few loads in flight. A tree of sums in each workgroup would suit a
//              GPU better.
//   compiled: navi31 24 VGPRs, 32 subgroups per SIMD (of 8 invocations: 24, 16); mi200 20, 10 (20, 10)
// On llvmpipe  the second pass reads from cache but takes as long as the first: loads run number by number
// Cost         4 flops, 4 bytes per element (read twice, the second time from cache).
// Next         batch_norm_forward.wgsl combines the chunks

const WORKGROUP = 8;
const GPU_WORKGROUP = 64;
const M = 2u;  // step.size[M] is the number of rows
const N4 = 16u;  // columns / 4

struct Step {
  size: vec4u,           // sizes of the batch; for click logs: B users, E events, R rows, D distinct items
  @size(8) unread: u32,  // fields that this kernel does not read
  chunks: u32,           // number of partial sums of each weight gradient
}

@group(0) @binding(0) var<storage, read> input: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> chunk_statistics: array<vec4f>;
@group(0) @binding(2) var<uniform> step: Step;

fn load_input(i: u32) -> vec4f { return input[i]; }

@compute @workgroup_size(WORKGROUP)
fn batch_norm_statistics(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * (grid.x * WORKGROUP);
  if (i >= N4 * step.chunks) { return; }
  let column = i % N4;
  let chunk = i / N4;
  let rows = step.size[M];
  let stretch = (rows + step.chunks - 1u) / step.chunks;
  let first = min(chunk * stretch, rows);
  let end = min(first + stretch, rows);
  var sum = vec4f(0.0);
  for (var r = first; r < end; r++) { sum += load_input(r * N4 + column); }
  let mean = sum / f32(max(end - first, 1u));
  var squares = vec4f(0.0);
  for (var r = first; r < end; r++) {
    let d = load_input(r * N4 + column) - mean;
    squares += d * d;
  }
  let at = 2u * chunk * N4 + column;
  chunk_statistics[at] = mean;
  chunk_statistics[at + N4] = squares;
}
