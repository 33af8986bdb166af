/**
 * What goes wrong in the histories, and when: every fault is counted by the step of the protocol in which it struck, and a
 * run in which one of the required pairs never happened has proved nothing about it.
 */
export const PROTOCOL_STEPS = [
  'connect',
  'initialSync',
  'rescan',
  'continuous',
  'mark',
  'window',
  'freeze',
  'checkpoint',
] as const;
export type ProtocolStep = (typeof PROTOCOL_STEPS)[number];

const ANY: readonly ProtocolStep[] = [];
const COPYING: readonly ProtocolStep[] = ['initialSync', 'rescan', 'continuous'];
const SENDING: readonly ProtocolStep[] = ['initialSync', 'rescan', 'continuous', 'mark', 'window', 'checkpoint'];

/** Each fault with the steps in which it must have struck at least once in a run (none listed: in any). */
const REQUIRED = {
  agentKilled: ['connect', 'initialSync', 'rescan', 'continuous', 'mark', 'window', 'freeze', 'checkpoint'],
  agentStopped: COPYING,
  guardianKilled: ['freeze'],
  serverKilled: ['connect', 'initialSync', 'rescan', 'continuous', 'mark', 'window', 'checkpoint'],
  stagingPowerCut: SENDING,
  sourceRebooted: ['initialSync', 'rescan', 'continuous', 'mark', 'window', 'freeze', 'checkpoint'],
  connectionReset: SENDING,
  connectionTruncated: SENDING,
  connectionSilent: ANY,
  connectionLate: SENDING,
  networkDown: ANY,
  managerAwayForAnHour: ANY,
  slowReceiver: ANY,
  secondAgent: ANY,
  hostileFrames: ANY,
  corruptedPayload: ANY,
  overrun: COPYING,
  commitOverrun: ANY,
  droppedEvents: ANY,
  lostMark: ANY,
  ringFull: ANY,
  tracingSwitchedOff: ANY,
  filterChanged: ANY,
  instanceRemoved: ANY,
  processorOffline: ANY,
  markersStuck: ANY,
  diskReplaced: ANY,
  diskShrank: ANY,
  unknownDevice: ANY,
  passthrough: ANY,
  multiRangeDiscard: COPYING,
  unusualLetter: COPYING,
  failedRequest: COPYING,
  partialCompletion: COPYING,
  writeInWindow: ['window', 'freeze'],
  readError: ANY,
  slowDisk: ANY,
  frozenByOthers: ANY,
  thawedByOthers: ['freeze'],
  slowWindow: ['freeze'],
  wallClockJump: ANY,
  stagingFull: ANY,
  stagingSyncFailed: ['mark', 'checkpoint'],
  bitRot: ANY,
  silentDisk: ANY,
  stagingOnSource: ANY,
} as const satisfies Record<string, readonly ProtocolStep[]>;

export type Fault = keyof typeof REQUIRED;
export const FAULTS = Object.keys(REQUIRED) as readonly Fault[];

/** Empty: wherever it happens to strike. */
export function requiredSteps(fault: Fault): readonly ProtocolStep[] {
  return REQUIRED[fault];
}

export class FaultTable {
  readonly #counts = new Map<Fault, Map<ProtocolStep, number>>(FAULTS.map((fault) => [fault, new Map()]));

  fired(fault: Fault, step: ProtocolStep): void {
    this.#add(fault, step, 1);
  }

  merge(other: FaultTable): void {
    for (const [fault, steps] of other.#counts) for (const [step, count] of steps) this.#add(fault, step, count);
  }

  /** Pairs that never happened. */
  missing(): string[] {
    return FAULTS.flatMap((fault) => {
      const steps = this.#counts.get(fault) as Map<ProtocolStep, number>;
      if (steps.size === 0) return [fault];
      return REQUIRED[fault].filter((step) => !steps.has(step)).map((step) => `${fault} in ${step}`);
    });
  }

  print(): string {
    const width = Math.max(...FAULTS.map((fault) => fault.length));
    const head = ['fault'.padEnd(width), ...PROTOCOL_STEPS.map((step) => step.padStart(11))].join(' ');
    const rows = FAULTS.map((fault) => {
      const steps = this.#counts.get(fault) as Map<ProtocolStep, number>;
      return [fault.padEnd(width), ...PROTOCOL_STEPS.map((step) => String(steps.get(step) ?? 0).padStart(11))].join(
        ' ',
      );
    });
    return [head, ...rows].join('\n');
  }

  #add(fault: Fault, step: ProtocolStep, count: number): void {
    const steps = this.#counts.get(fault) as Map<ProtocolStep, number>;
    steps.set(step, (steps.get(step) ?? 0) + count);
  }
}
