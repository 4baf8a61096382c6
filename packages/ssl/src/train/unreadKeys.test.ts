/**
 * A key that is asked for with `--set` has to change something (config/readSettings.ts). The keys that are refused, and the settings under
 * which they are: two training steps with them must be those without.
 */
import { describe, expect, it } from 'vitest';
import { DINO, DINOV2, IBOT, isAccepted, type KeyCase, LOCALS, SIE, twoSteps } from './twoSteps.case.js';

const RESNET = ['model.kind=resnet18', 'model.imagePx=32'];
const HEAD_OUTPUT = [...IBOT, 'recon.target=rotation', 'split.location=head_output'];
const THETA = ['recon.of=theta', 'recon.regressor=[8]'];

const READ_BY_NOTHING: readonly KeyCase[] = [
  ['simclr.temperature', '0.5'],
  ['dinov2.koleoWeight', '2', ...DINO],
  ['ibot.patchPrototypes', '5', ...IBOT],
  ['dinov2.patchPrototypes', '5', ...DINOV2],
  ['dinov2.patchBottleneckDim', '3', ...DINOV2],
  ['dinov2.centerMomentum', '0.5', ...DINOV2, 'dinov2.targets=sinkhorn'],
  ['model.resnet.stem', 'small'],
  ...['size=tiny', 'widthDim=16', 'depth=2', 'numHeads=1', 'ffn=swiglu', 'mlpRatio=2', 'patch=8', 'numRegisters=1']
    .concat('layerScale=0.1', 'dropPathRate=0.5', 'dropPathSchedule=uniform', 'dropPathForm=batch_subset')
    .concat('init=dinov2', 'positionResize=size')
    .map((setting): KeyCase => {
      const [key = '', value = ''] = setting.split('=');
      return [`model.${key}`, value, ...RESNET];
    }),
  ['optim.layerDecay', '0.5', ...RESNET],
  ['optim.patchEmbedLrMult', '0.2', ...RESNET],
  ['train.checkpointActivations', 'true', ...RESNET],
  ['split.dim', '10', 'split.location=backbone'],
  ['split.dim', '10', ...HEAD_OUTPUT],
  ['split.equiFirst', 'true', ...HEAD_OUTPUT],
  ['split.clsEqui', 'broadcast', 'recon.target=none'],
  ['decoder.lrMult', '2', 'recon.target=none'],
  ['recon.lambda', '3', 'recon.target=none'],
  ['decoder.channels', '16', ...THETA],
  ['decoder.lrMult', '2', ...THETA],
  ['recon.intermediates', '1', ...THETA],
  ['recon.includeFinal', 'true', ...THETA],
  ['recon.maskOutside', 'true', ...THETA],
  ['recon.reduction', 'sum_pixels', ...THETA],
  ['recon.space', 'rgb01', ...THETA],
  ['recon.concat', 'token', ...THETA],
  ['recon.regressor', '[8, 8]'],
  ['recon.attentionHeads', '2'],
  ['transform.rotationDeg', '20', 'recon.target=none'],
  ['transform.prob', '0', 'recon.target=none'],
  ['transform.rotationDeg', '20', 'recon.target=translation'],
  ['transform.translatePx', '30'],
  ['transform.translateUnit', 'px', 'recon.target=blur'],
  ['transform.color.hue', '0.3'],
  ['transform.blurSigmaPx', '[1, 4]', 'recon.target=color'],
  ['transform.blurPath', 'from_min'],
  ['transform.se2Path', 'geodesic'],
  ['transform.interpolation', 'bicubic', 'recon.target=color'],
  ['recon.fill', 'content', 'recon.target=blur'],
  ['recon.maskOutside', 'true', 'recon.target=blur'],
  ['sie.fill', 'content', ...SIE, 'sie.target=color'],
  ...['jitterProb=0', 'brightness=0.8', 'contrast=0.8', 'saturation=0.8', 'hue=0.5', 'grayProb=1', 'blurProb=[1, 1]']
    .concat('blurSigmaPx=[40, 60]', 'blurKernelPx=223', 'solarizeProb=[1, 1]')
    .map((setting): KeyCase => {
      const [key = '', value = ''] = setting.split('=');
      return [`augment.${key}`, value, 'augment.preset=rot'];
    }),
  ['augment.cropScale', '[0.5, 1]', 'augment.preset=none'],
  ['augment.cropRatio', '[1, 1]', 'augment.preset=none'],
  ['augment.flipProb', '0', 'augment.preset=none'],
  ['augment.local.blurProb', '1', ...LOCALS, 'augment.preset=rot'],
  ['augment.local.solarizeProb', '1', ...LOCALS, 'augment.preset=rot'],
  ['augment.local.count', '2'],
  ['augment.local.cropPx', '4', ...DINO],
  ['augment.local.cropScale', '[0.1, 0.2]', ...DINO],
  ['init.lrMult', '0.5'],
  ['init.headWarmupFraction', '0.5'],
  ['init.key', 'student'],
  ['optim.betas', '[0.5, 0.6]', 'optim.algorithm=lars'],
  ['optim.momentum', '0.5'],
  ['optim.clipOver', 'parameter'],
  ['optim.freezeLastLayerFraction', '1'],
  ['optim.freezeLastLayerBy', 'zero_lr'],
];

describe('a key that nothing reads', { timeout: 240_000 }, () => {
  it('may not be asked for', () => {
    expect(READ_BY_NOTHING.filter(isAccepted).map(([key]) => key)).toEqual([]);
  });

  it('changes nothing', () => {
    const changing = READ_BY_NOTHING.filter(
      ([key, value, ...settings]) => twoSteps([...settings, `${key}=${value}`]) !== twoSteps(settings),
    );
    expect(changing.map(([key]) => key)).toEqual([]);
  });
});
