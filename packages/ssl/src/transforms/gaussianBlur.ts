/**
 * Gaussian blur with one sigma per image: two depthwise convolutions, one channel of one image a group.
 * B images, C channels, H and W pixels, r radius.
 */
import { scope, type Tensor, tensor } from '@halfway/torch';

// Below it the kernel is a single 1 in float32.
const SMALLEST_SIGMA_PX = 0.01;

/**
 * Blurs along both axes with weights exp(-k^2 / (2 sigma^2)) / sum, k = -r..r, mirrored at the border without repeating it.
 * With radius 4 this is torchvision's GaussianBlur(9).
 *
 * @param images f32 [B, C, H, W]
 * @param sigmaPx f32 [B]; below 0.01 the image stays as it is
 * @param radiusPx r, the same for all; at most the shorter side less one is used
 * @returns f32 [B, C, H, W]; differentiable in both tensors
 */
export function gaussianBlur(images: Tensor, sigmaPx: Tensor, radiusPx: number): Tensor {
  const [batch = 0, channels = 0, height = 0, width = 0] = images.shape;
  const radius = Math.min(radiusPx, height - 1, width - 1);
  const [numPlanes, taps] = [batch * channels, 2 * radius + 1];
  return scope(() => {
    const kernel = gaussianKernel(sigmaPx, radius) // [B, 2r + 1]
      .unsqueeze(1)
      .expand([batch, channels, taps])
      .reshape([numPlanes, 1, 1, taps]);
    const padded = images.reshape([1, numPlanes, height, width]).reflectionPad2d([radius, radius, radius, radius]);
    const alongRows = padded.conv2d(kernel, undefined, [1, 1], [0, 0], [1, 1], numPlanes);
    const alongColumns = kernel.transpose(2, 3);
    return alongRows.conv2d(alongColumns, undefined, [1, 1], [0, 0], [1, 1], numPlanes).view(images.shape);
  });
}

/** The radius that holds three standard deviations. */
export function blurRadiusPx(largestSigmaPx: number): number {
  return Math.max(1, Math.ceil(3 * largestSigmaPx));
}

/** Weights of each image's kernel, [B, 2r + 1]; every row sums to 1. */
function gaussianKernel(sigmaPx: Tensor, radius: number): Tensor {
  const { dtype, device } = sigmaPx;
  const offsets = tensor(
    Float32Array.from({ length: 2 * radius + 1 }, (_, i) => i - radius),
    { dtype, device },
  );
  const scaled = offsets.div(sigmaPx.clamp(SMALLEST_SIGMA_PX).unsqueeze(1)); // k / sigma
  const weights = scaled.square().mul_(-0.5).exp();
  return weights.div(weights.sum([1], true));
}
