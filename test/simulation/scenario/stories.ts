/** What a history tells. Each ends in a quiet time in which all must come right, or in the refusal that the rules demand. */
import { FAULTS, type Fault } from '../faults.ts';
import { OracleViolation } from '../oracle/oracle.ts';
import { MACHINE_ID } from '../staging/staging-host.ts';
import type { History } from './history.ts';
import { sendHostileFrames } from './intruder.ts';
import { STRIKES } from './strikes.ts';

/** Told by stories of their own. */
const SPECIAL: readonly Fault[] = ['silentDisk', 'stagingOnSource', 'bitRot', 'managerAwayForAnHour'];
const MIXED_FAULTS = FAULTS.filter((fault) => !SPECIAL.includes(fault));
const SECOND = 1_000_000;

/**
 * Half of the histories know the faults of one theme only: there they meet each other much more often than where everything
 * goes wrong, and what takes two or three of them together comes up in a hundred histories and not in a thousand.
 */
const THEMES: readonly (readonly Fault[])[] = [
  [
    ...(['overrun', 'commitOverrun', 'droppedEvents', 'lostMark', 'ringFull', 'agentKilled', 'agentStopped'] as const),
    ...(['tracingSwitchedOff', 'filterChanged', 'instanceRemoved', 'diskReplaced', 'passthrough'] as const),
  ],
  [
    ...(['serverKilled', 'stagingPowerCut', 'stagingSyncFailed', 'stagingFull', 'slowReceiver'] as const),
    ...(['connectionReset', 'secondAgent', 'connectionLate'] as const),
  ],
  [
    ...(['writeInWindow', 'slowDisk', 'slowWindow', 'frozenByOthers', 'thawedByOthers', 'guardianKilled'] as const),
    ...(['multiRangeDiscard', 'failedRequest', 'partialCompletion', 'markersStuck'] as const),
  ],
];

/** Everything goes wrong, one after another; then somebody breaks the protocol, and at last the medium rots. */
export async function everythingGoesWrong(history: History): Promise<void> {
  const faults = history.random.chance(0.5) ? MIXED_FAULTS : history.random.pick(THEMES);
  await history.chaos.rage(history.random.between(25 * SECOND, 45 * SECOND), faults);
  await history.converge();
  await sendHostileFrames(history, history.random);
  await history.checkEverything();
  await rot(history);
}

/** The manager is away for an hour: nobody can connect, and the source lives on. */
export async function managerAway(history: History): Promise<void> {
  await history.scheduler.pause(10 * SECOND);
  history.load.writesPerSecond = 1;
  history.load.rawWriters = false;
  STRIKES.managerAwayForAnHour(history, history.random);
  await history.scheduler.pause(3_600 * SECOND);
  await history.converge();
  await history.checkEverything();
}

/** R6: the canary of one disk never shows up: the disk is refused, and no point is ever made of the machine. */
export async function silentDisk(history: History): Promise<void> {
  history.fired('silentDisk');
  await expectRefusal(history, 'R6');
}

/** R17: staging lies on the disk to be replicated: the server refuses, and nothing reaches the store. */
export async function stagingOnSource(history: History): Promise<void> {
  history.fired('stagingOnSource');
  await expectRefusal(history, 'R17');
}

async function expectRefusal(history: History, rule: string): Promise<void> {
  await history.scheduler.pause(60 * SECOND);
  const status = history.source.agent?.status;
  if (status?.state !== 'STALLED' || status.stallCause !== 'UNSUPPORTED_CONFIGURATION') {
    throw new OracleViolation(rule, `the machine was not refused: ${JSON.stringify(status)}`);
  }
  const store = await history.staging.replicas?.replica(MACHINE_ID).store();
  if (store === undefined || store.points().length > 0 || store.disks().length > 0) {
    throw new OracleViolation(rule, 'something reached the store of a machine that is refused');
  }
}

/** R15: one byte of what staging holds flips; verify names exactly the blocks whose content changed by it. */
async function rot(history: History): Promise<void> {
  const store = await history.staging.replicas?.replica(MACHINE_ID).store();
  if (store === undefined) throw new Error('no replication server runs');
  await history.staging.undisturbed(async () => {
    for (let attempt = 0; attempt < 200; attempt++) {
      history.staging.flipByte();
      if (await history.oracle.checkRot(store)) {
        history.fired('bitRot');
        return;
      }
    }
    throw new OracleViolation('R15', 'no flipped byte of the folder changed any point');
  });
}
