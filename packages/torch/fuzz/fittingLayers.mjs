// Arguments that fit the operators under the layers of a network; see fittingArguments.mjs.

/** A convolution of 1, 2 or 3 dimensions with groups, and the numbers that belong to it. */
function convolutionOf(draw, { rank = draw.int(1, 3), isTransposed = false } = {}) {
  const groups = draw.int(1, 2);
  const [inChannels, outChannels] = [groups * draw.int(1, 2), groups * draw.int(1, 2)];
  const perDimension = (low, high) => Array.from({ length: rank }, () => draw.int(low, high));
  const kernel = perDimension(1, 3);
  const stride = perDimension(1, 2);
  const channels = isTransposed ? [inChannels, outChannels / groups] : [outChannels, inChannels / groups];
  return {
    input: draw.floats([draw.int(1, 2), inChannels, ...perDimension(5, 7)]),
    weight: draw.floats([...channels, ...kernel]),
    bias: draw.maybe(draw.floats([outChannels])),
    stride,
    padding: perDimension(0, 2),
    dilation: perDimension(1, 2),
    output_padding: isTransposed ? stride.map((step) => draw.int(0, step - 1)) : stride.map(() => 0),
    groups,
    transposed: isTransposed,
    outChannels,
  };
}

/** The sizes that an operator on [B, C, ...] makes of one dimension, as convolution.cpp computes them. */
const convolved = (size, kernel, stride, padding, dilation) =>
  Math.floor((size + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;

const convolution1d = (draw) => convolutionOf(draw, { rank: 1 });
const convolution2d = (draw) => convolutionOf(draw, { rank: 2 });

const convolutionBackward = (draw) => {
  const call = convolutionOf(draw);
  const { input, weight, stride, padding, dilation, outChannels } = call;
  const spatial = weight.shape
    .slice(2)
    .map((kernel, at) => convolved(input.shape[2 + at], kernel, stride[at], padding[at], dilation[at]));
  return {
    ...call,
    grad_output: draw.floats([input.shape[0], outChannels, ...spatial]),
    bias_sizes: draw.maybe([outChannels]),
    output_mask: [draw.chance(0.8), draw.chance(0.8), false],
  };
};

const image = (draw) => draw.floats([draw.int(1, 2), draw.int(1, 3), draw.int(4, 6), draw.int(4, 6)]); // [B, C, H, W]

const pooled = (draw) => {
  const kernel = [draw.int(1, 3), draw.int(1, 3)];
  return {
    self: image(draw),
    kernel_size: kernel,
    stride: draw.pick([[], [1, 2]]),
    padding: kernel.map((size) => draw.int(0, Math.floor(size / 2))),
    ceil_mode: draw.chance(0.5),
    count_include_pad: draw.chance(0.5),
  };
};

const adaptive = (draw) => ({ self: image(draw), output_size: [draw.int(1, 4), draw.int(1, 7)] });

const resampled = (draw) => ({
  self: image(draw),
  output_size: [draw.int(1, 9), draw.int(1, 9)],
  align_corners: draw.chance(0.5),
});

const padded = (draw) => ({
  self: image(draw),
  pad: Array.from({ length: 4 }, () => draw.int(0, 3)),
  padding: Array.from({ length: 4 }, () => draw.int(0, 3)),
  mode: draw.pick(['constant', 'reflect', 'replicate', 'circular']),
});

/** Statistics and an affine map, one number a channel. */
const normalized = (draw) => {
  const input = image(draw);
  const perChannel = (options) => draw.floats([input.shape[1]], options);
  const isTraining = draw.chance(0.5);
  return {
    input,
    weight: draw.maybe(perChannel()),
    bias: draw.maybe(perChannel()),
    running_mean: perChannel().detach(),
    running_var: perChannel({ low: 0.1 }).detach(),
    training: isTraining,
    use_input_stats: isTraining,
    momentum: draw.random.fraction(),
    eps: 1e-5,
    cudnn_enabled: false,
  };
};

const layerNormalized = (draw) => {
  const inner = draw.anySizes(2);
  return {
    input: draw.floats([...draw.sizes(2), ...inner]),
    normalized_shape: inner,
    weight: draw.maybe(draw.floats(inner)),
    bias: draw.maybe(draw.floats(inner)),
    eps: draw.pick([1e-5, 0]),
  };
};

const sampledGrid = (draw) => {
  const input = image(draw);
  const grid = draw.floats([input.shape[0], draw.int(1, 5), draw.int(1, 5), 2], { low: -1.5, high: 1.5 });
  return {
    input,
    grid,
    interpolation_mode: draw.pick(['bilinear', 'nearest', 'bicubic']),
    padding_mode: draw.pick(['zeros', 'border', 'reflection']),
    align_corners: draw.chance(0.5),
  };
};

const classified = (draw) => {
  const [n, numClasses, k] = draw.sizes(3);
  const inner = draw.pick([[], [k]]);
  return {
    self: draw.floats([n, numClasses, ...inner]),
    target: draw.ints([n, ...inner], numClasses),
    weight: draw.maybe(draw.floats([numClasses], { low: 0.1 }).detach()),
    reduction: draw.pick(['none', 'mean', 'sum']),
    ignore_index: draw.pick([-100, 0]),
  };
};

const attention = (draw) => {
  const [b, h, queries, keys] = draw.sizes(4);
  const width = draw.pick([1, 3, 8]);
  const [query, key, value] = [queries, keys, keys].map((tokens) => draw.floats([b, h, tokens, width]));
  const isCausal = draw.chance(0.3);
  const mask = draw.pick([draw.bools([queries, keys]), draw.floats([queries, keys]).detach()]);
  return { query, key, value, is_causal: isCausal, attn_mask: isCausal ? undefined : draw.maybe(mask), dropout_p: 0 };
};

/** @type {Record<string, (draw: import('./fittingValues.mjs').FittingValues) => Record<string, unknown>>} */
export const fittingLayers = {
  linear: (draw) => {
    const [n, k, m] = draw.sizes(3);
    const input = draw.floats([n, k]);
    return { input, weight: draw.floats([m, k]), bias: draw.maybe(draw.floats([m])) };
  },
  embedding: (draw) => {
    const [rows, width] = draw.sizes(2);
    const isSpecial = { padding_idx: draw.pick([-1, 0]), scale_grad_by_freq: draw.chance(0.5) };
    return { weight: draw.floats([rows, width]), indices: draw.ints(draw.anySizes(2), rows), ...isSpecial };
  },

  conv1d: convolution1d,
  conv2d: convolution2d,
  'conv2d.padding': (draw) => ({ ...convolution2d(draw), stride: 1, padding: draw.pick(['same', 'valid']) }),
  conv_transpose1d: (draw) => convolutionOf(draw, { rank: 1, isTransposed: true }),
  conv_transpose2d: (draw) => convolutionOf(draw, { rank: 2, isTransposed: true }),
  convolution: (draw) => convolutionOf(draw, { isTransposed: draw.chance(0.5) }),
  convolution_backward: convolutionBackward,

  batch_norm: normalized,
  native_batch_norm: normalized,
  instance_norm: normalized,
  layer_norm: layerNormalized,
  native_layer_norm: layerNormalized,
  rms_norm: layerNormalized,
  group_norm: (draw) => {
    const input = draw.floats([draw.int(1, 2), 4, draw.int(1, 3)]);
    return {
      input,
      num_groups: draw.pick([1, 2, 4]),
      weight: draw.maybe(draw.floats([4])),
      bias: draw.maybe(draw.floats([4])),
    };
  },

  scaled_dot_product_attention: attention,
  glu: (draw) => ({ self: draw.floats([draw.int(1, 3), 4]), dim: -1 }),

  max_pool2d: pooled,
  avg_pool2d: pooled,
  adaptive_avg_pool2d: adaptive,
  adaptive_max_pool2d: adaptive,
  im2col: (draw) => ({
    self: image(draw),
    kernel_size: [2, 2],
    dilation: 1,
    padding: draw.int(0, 1),
    stride: draw.int(1, 2),
  }),
  col2im: (draw) => {
    const self = draw.floats([draw.int(1, 2), 8, 9]);
    return { self, output_size: [4, 4], kernel_size: [2, 2], dilation: 1, padding: 0, stride: 1 };
  },

  grid_sampler: sampledGrid,
  grid_sampler_2d: sampledGrid,
  affine_grid_generator: (draw) => {
    const n = draw.int(1, 2);
    return {
      theta: draw.floats([n, 2, 3]),
      size: [n, 1, draw.int(1, 4), draw.int(1, 4)],
      align_corners: draw.chance(0.5),
    };
  },
  upsample_nearest2d: resampled,
  _upsample_nearest_exact2d: resampled,
  upsample_bilinear2d: resampled,
  _upsample_bilinear2d_aa: resampled,
  upsample_bicubic2d: resampled,
  _upsample_bicubic2d_aa: resampled,
  pixel_shuffle: (draw) => ({ self: draw.floats([draw.int(1, 2), 4, 2, 3]), upscale_factor: draw.int(1, 2) }),
  pixel_unshuffle: (draw) => ({ self: draw.floats([draw.int(1, 2), 2, 4, 2]), downscale_factor: draw.int(1, 2) }),
  channel_shuffle: (draw) => ({ self: draw.floats([2, 4, 2, 2]), groups: draw.pick([1, 2, 4]) }),
  pad: padded,
  reflection_pad2d: padded,
  replication_pad2d: padded,

  cross_entropy_loss: (draw) => ({ ...classified(draw), label_smoothing: draw.pick([0, 0.1]) }),
  nll_loss_nd: classified,
  nll_loss: (draw) => {
    const [n, numClasses] = draw.sizes(2);
    return {
      self: draw.floats([n, numClasses]),
      target: draw.ints([n], numClasses),
      reduction: draw.pick(['none', 'mean']),
    };
  },
};
