// fio as a load: random writes into a file or a disk, at a limited rate, until it is ended.

import { BackgroundProcess } from './background-process.ts';

export interface FioOptions {
  readonly target: string;
  readonly sizeMebibytes: number;
  readonly rateMebibytesPerSecond: number;
  readonly blockKibibytes: number;
  readonly logPath: string;
}

/** Ends by itself after an hour, should nobody end it. */
const LIMIT_SECONDS = 3600;

export function startFio(options: FioOptions): BackgroundProcess {
  return new BackgroundProcess({
    program: 'fio',
    parameters: [
      ...['--name=load', `--filename=${options.target}`, `--size=${options.sizeMebibytes}m`, '--rw=randwrite'],
      ...[
        `--bs=${options.blockKibibytes}k`,
        `--rate=${options.rateMebibytesPerSecond}m`,
        '--ioengine=psync',
        // One process: what ends it ends the load too.
        '--thread',
        '--direct=1',
      ],
      ...['--time_based', `--runtime=${LIMIT_SECONDS}`, '--refill_buffers', '--buffer_compress_percentage=50'],
    ],
    logPath: options.logPath,
  });
}
