// The suites of `make test`, from the fastest to the slowest.

export interface JestSuite {
  readonly name: string;
  readonly project: 'unit' | 'integration';
  /** Patterns of test files; none means all of the project. */
  readonly paths: readonly string[];
  readonly ignoredPaths: readonly string[];
  /** Suites that load the machine (real disks, kills) run one file at a time. */
  readonly serial: boolean;
  /** Files at once. Default 2: as many as a small machine has processors. */
  readonly workers?: number;
  /** Not part of `make test`: it runs where it is named. */
  readonly onDemand?: boolean;
  /** A suite that hangs is ended, so that the others and the summary still come. Far above what it takes. */
  readonly limitMinutes: number;
}

const SUITES_BY_THEMSELVES = [
  'simulation',
  'faults',
  'network',
  'chart',
  'images',
  'containers',
  'end-to-end',
  'cluster',
];
/** They load the machine, or start a Docker daemon of which there can be one. */
const SERIAL_SUITES = ['images', 'containers', 'end-to-end', 'cluster'];

function folder(name: string, limitMinutes: number): JestSuite {
  return {
    name,
    project: 'integration',
    paths: [`/test/${name}/`],
    ignoredPaths: [],
    serial: SERIAL_SUITES.includes(name),
    limitMinutes,
  };
}

/**
 * Histories of the staging store make and drop so many buffers that V8 collects every 100 ms, the whole heap. In a worker which
 * holds the modules of a hundred files before them that is ten times as slow as in a new one.
 */
const HISTORIES = ['/store/crash\\.test', '/store/sync-steps\\.test'];

/** What was foretold is held against lag that is measured: with four files at once, lag would be of the processors. */
const LAG_ON_A_LINK = '/test/network/bandwidth/';

export const JEST_SUITES: readonly JestSuite[] = [
  { name: 'unit', project: 'unit', paths: [], ignoredPaths: HISTORIES, serial: false, limitMinutes: 15 },
  { name: 'histories', project: 'unit', paths: HISTORIES, ignoredPaths: [], serial: false, limitMinutes: 10 },
  {
    name: 'integration',
    project: 'integration',
    paths: [],
    ignoredPaths: SUITES_BY_THEMSELVES.map((name) => `/test/${name}/`),
    serial: false,
    limitMinutes: 20,
  },
  folder('simulation', 10),
  folder('faults', 20),
  // Mostly waits: for time-outs, for a link that is slow on purpose, for a fault to be noticed.
  { ...folder('network', 20), workers: 4, ignoredPaths: [LAG_ON_A_LINK] },
  { ...folder('network', 10), name: 'bandwidth', paths: [LAG_ON_A_LINK] },
  folder('chart', 15),
  // The first time on a machine, base images are made: some minutes.
  folder('images', 15),
  folder('containers', 15),
  folder('end-to-end', 15),
  { ...folder('cluster', 40), onDemand: true },
];
