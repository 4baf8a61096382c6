/** The pixels that an encoder sees: one convention of every encoder here, so of its files and of what is exported too. */

/** ImageNet statistics, in RGB [0, 1]; (images - mean) / std is what an encoder sees. Source: torchvision. */
export const PIXEL_MEAN = [0.485, 0.456, 0.406] as const;
export const PIXEL_STD = [0.229, 0.224, 0.225] as const;
