/** Names of formats, for the command line too: nothing is loaded with them. */

/** How a file's tensors are named (formats.ts). */
export const FORMAT_NAMES = ['dinov2', 'dino', 'mae', 'timm', 'hf-dinov2', 'hf-vit', 'torchvision'] as const;
export type FormatName = (typeof FORMAT_NAMES)[number];

/** In what form an encoder is exported (exportEncoder.ts). */
export const EXPORT_FORMATS = ['safetensors', 'timm', 'hf'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];
