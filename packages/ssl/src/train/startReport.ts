/** Whether a run made better weights than those it started from: both ends measured on the same photos, kept in the run folder. */
import * as torch from '@halfway/torch';
import type { Module } from '@halfway/torch/nn';
import type { Config } from '../config/schema.js';
import { DataError } from '../errors.js';
import { type FeatureFigure, INIT_VERSION, type NoFigure } from '../protocol/init.js';
import { disposeNetwork, frozenCopy } from '../run/loadEncoder.js';
import type { RunFolder } from '../run/runFolder.js';
import type { FeatureJudge, PretrainOptions } from './pretrainOptions.js';
import { verdictText } from './start.js';

export class StartReport {
  readonly #options: Pick<PretrainOptions, 'config' | 'data' | 'judge'>;
  readonly #folder: RunFolder;
  /** What is trained, by the names under which it is checkpointed. */
  readonly #model: Module;

  constructor(options: Pick<PretrainOptions, 'config' | 'data' | 'judge'>, folder: RunFolder, model: Module) {
    this.#options = options;
    this.#folder = folder;
    this.#model = model;
  }

  /**
   * Before the first step: what the features of the weights are worth, kept with the run, since their file may be gone when it goes on.
   * Nothing for a run from weights that were drawn, and where nobody judges.
   */
  async begin(): Promise<FeatureFigure | NoFigure | undefined> {
    const { judge, config } = this.#options;
    const { file, sha256 } = config.init;
    if (judge === undefined || file === undefined || sha256 === undefined) return undefined;
    const before = await this.#measure(judge, config);
    if (before.kind !== 'none') {
      this.#folder.writeInitReport({ version: INIT_VERSION, weights: { file, sha256 }, before });
    }
    return before;
  }

  /**
   * After the last step: the same figure, and in the report whether it is better. Nothing where the start was not measured.
   * @throws DataError when the photos do not allow it any more
   */
  async end(): Promise<FeatureFigure | undefined> {
    const { judge, config } = this.#options;
    const report = this.#folder.initReport();
    if (judge === undefined || report === undefined) return undefined;
    const after = await this.#measure(judge, config);
    if (after.kind === 'none') {
      throw new DataError(
        `init: both ends of a run must be measured on the same photos, got none that do at its end: ${after.reason}; ` +
          'put them back as they were and go on with --resume',
      );
    }
    const change = judge.compare(report.before, after);
    this.#folder.writeInitReport({
      ...report,
      end: { after, ...change, sentence: verdictText(report, after, change) },
    });
    return after;
  }

  /** What the features that are exported are worth, on the photos of the run. */
  async #measure(judge: FeatureJudge, config: Config): Promise<FeatureFigure | NoFigure> {
    const network = torch.scope(() => frozenCopy(config, this.#model.stateDict()));
    try {
      for (const module of [network.encoder, network.adapter]) module.to(config.train.device);
      return await judge.measure(network, this.#options.data);
    } finally {
      disposeNetwork(network);
    }
  }
}
