/** How each fault is done to the world. A strike that cannot be made just now returns false and is tried again. */
import type { Fault } from '../faults.ts';
import type { Break, Link } from '../network/network.ts';
import type { SimulatedDisk } from '../source/disk.ts';
import type { LossSign, TraceBuffer } from '../source/kernel-trace.ts';
import { RESERVED_SECTORS } from '../source/ordered-writes.ts';
import type { Random } from '../time/random.ts';
import type { History } from './history.ts';
import { sendHostileFrames, startSecondAgent } from './intruder.ts';

export type Strike = (history: History, random: Random) => boolean;

const SECOND = 1_000_000;

export const STRIKES: Readonly<Record<Fault, Strike>> = {
  agentKilled: (history, random) => {
    const { agent } = history.source;
    if (agent === null || agent.stopping) return false;
    history.fired('agentKilled');
    agent.planDeath(random.between(1, 4), random.pick(['before', 'within', 'after']));
    return true;
  },
  agentStopped: (history) => {
    const { agent } = history.source;
    if (agent === null || agent.stopping) return false;
    history.fired('agentStopped');
    void agent.stop();
    return true;
  },
  guardianKilled: (history) => {
    const { agent } = history.source;
    if (agent === null) return false;
    history.fired('guardianKilled');
    agent.freezer.killGuardian();
    return true;
  },
  serverKilled: (history, random) => {
    if (history.staging.process === null || history.staging.endIsPlanned) return false;
    history.staging.planEnd('kill', random.between(1, 5), () => history.fired('serverKilled'));
    return true;
  },
  stagingPowerCut: (history, random) => {
    if (history.staging.process === null || history.staging.endIsPlanned) return false;
    history.staging.planEnd('powerCut', random.between(1, 5), () => history.fired('stagingPowerCut'));
    return true;
  },
  sourceRebooted: (history) => {
    if (history.source.boot === null) return false;
    history.fired('sourceRebooted');
    // Not within the call that is under way: power does not unwind stacks.
    history.source.boot.after(0, () => history.source.reboot());
    return true;
  },
  connectionReset: breakWith('connectionReset', 'reset'),
  connectionTruncated: breakWith('connectionTruncated', 'truncated'),
  connectionSilent: breakWith('connectionSilent', 'silent'),
  connectionLate: breakWith('connectionLate', 'late'),
  networkDown: (history, random) => {
    if (history.network.unreachable) return false;
    history.fired('networkDown');
    goAway(history, random.between(SECOND, 20 * SECOND));
    return true;
  },
  managerAwayForAnHour: (history) => {
    if (history.network.unreachable) return false;
    history.fired('managerAwayForAnHour');
    goAway(history, 3_600 * SECOND);
    return true;
  },
  slowReceiver: (history, random) => {
    if (history.staging.slowedBy !== 1) return false;
    history.fired('slowReceiver');
    history.staging.slowedBy = 100;
    history.scheduler.after(random.between(SECOND, 5 * SECOND), () => {
      history.staging.slowedBy = 1;
    });
    return true;
  },
  secondAgent: (history, random) => {
    if (history.staging.process === null || history.network.unreachable) return false;
    startSecondAgent(history, random);
    return true;
  },
  hostileFrames: (history, random) => {
    if (history.staging.process === null || history.network.unreachable) return false;
    void sendHostileFrames(history, random);
    return true;
  },
  corruptedPayload: (history) => {
    const link = liveLink(history);
    if (link === null) return false;
    link.agent.corruptNextWrite(() => history.fired('corruptedPayload'));
    return true;
  },
  overrun: loseWith('overrun'),
  commitOverrun: loseWith('commitOverrun'),
  droppedEvents: loseWith('droppedEvents'),
  lostMark: loseWith('lostMark'),
  ringFull: onTrace('ringFull', (buffer) => buffer.squeeze()),
  tracingSwitchedOff: onTrace('tracingSwitchedOff', (buffer) => {
    buffer.tracingOn = false;
  }),
  filterChanged: onTrace('filterChanged', (buffer) => {
    buffer.filterIntact = false;
  }),
  instanceRemoved: onTrace('instanceRemoved', (buffer) => {
    buffer.removed = true;
  }),
  processorOffline: onTrace('processorOffline', (buffer, random) =>
    buffer.offline.add(random.below(buffer.rings.length)),
  ),
  markersStuck: onTrace('markersStuck', (buffer, random, history) => {
    buffer.stickMarkers(true);
    history.scheduler.after(random.between(SECOND / 2, 4 * SECOND), () => buffer.stickMarkers(false));
  }),
  unknownDevice: (history) => {
    const { blockLayer } = history.source;
    if (blockLayer === null) return false;
    history.fired('unknownDevice');
    blockLayer.recordForeign((77 << 20) | 77);
    return true;
  },
  diskReplaced: (history, random) => {
    const disk = random.pick(history.source.disks);
    if (history.source.agent === null || history.source.boot === null) return false;
    history.fired('diskReplaced');
    disk.diskSequence++;
    // Whoever had it meanwhile wrote to it, and no event tells.
    for (let write = 0; write < 5; write++) {
      const count = random.between(1, 64);
      disk.change(otherSector(disk, count, random), count, history.timeline.newVersion());
    }
    restartAgentLater(history, random);
    return true;
  },
  diskShrank: (history, random) => {
    const disk = random.pick(history.source.disks);
    if (history.source.agent === null || disk.shownSizeBytes !== disk.shape.sizeBytes) return false;
    history.fired('diskShrank');
    disk.shownSizeBytes -= 4096;
    history.scheduler.after(random.between(2 * SECOND, 6 * SECOND), () => {
      disk.shownSizeBytes = disk.shape.sizeBytes;
      restartAgentLater(history, random);
    });
    return true;
  },
  passthrough: (history, random) => {
    const { blockLayer } = history.source;
    if (blockLayer === null) return false;
    history.fired('passthrough');
    const disk = random.pick(history.source.disks);
    const ranges = [{ sector: otherSector(disk, 8, random), count: 8 }];
    void blockLayer.submit(disk, { kind: 'passthrough', ranges, fate: 'done' });
    return true;
  },
  multiRangeDiscard: byLoad((history) => {
    history.load.discards = true;
  }),
  unusualLetter: byLoad(() => undefined),
  failedRequest: byLoad(() => undefined),
  partialCompletion: byLoad(() => undefined),
  writeInWindow: (history, random) => {
    const { blockLayer } = history.source;
    if (blockLayer === null) return false;
    history.fired('writeInWindow');
    const disk = random.pick(history.source.disks);
    const count = random.between(1, 32);
    const ranges = [{ sector: otherSector(disk, count, random), count }];
    void blockLayer.submit(disk, { kind: 'write', ranges, fate: 'done' });
    return true;
  },
  readError: (history, random) => {
    history.fired('readError');
    random.pick(history.source.disks).readErrors = random.between(1, 2);
    return true;
  },
  slowDisk: (history, random) => slowDown(history, random, 'slowDisk', 300_000),
  slowWindow: (history, random) => slowDown(history, random, 'slowWindow', 3 * SECOND),
  frozenByOthers: (history, random) => {
    const mount = history.source.mounts.find(({ state }) => state === 'thawed');
    const { boot } = history.source;
    if (mount === undefined || boot === null) return false;
    history.fired('frozenByOthers');
    void mount.freeze(false).then(() => boot.after(random.between(SECOND / 2, 5 * SECOND), () => mount.thaw()));
    return true;
  },
  thawedByOthers: (history) => {
    const mount = history.source.mounts.find(({ state, frozenByUs }) => state === 'frozen' && frozenByUs);
    if (mount === undefined) return false;
    history.fired('thawedByOthers');
    mount.thaw();
    return true;
  },
  wallClockJump: (history, random) => {
    history.fired('wallClockJump');
    const clock = random.pick([history.sourceClock, history.stagingClock]);
    clock.jump(random.pick([-3_600, -7, 7, 3_600, 86_400]) * SECOND);
    return true;
  },
  stagingFull: (history, random) => {
    if (history.staging.full) return false;
    history.staging.fill(random.chance(0.5), () => history.fired('stagingFull'));
    history.scheduler.after(random.between(SECOND, 10 * SECOND), () => history.staging.makeRoom());
    return true;
  },
  stagingSyncFailed: (history) => {
    if (history.staging.process === null) return false;
    history.staging.failNextSync(() => history.fired('stagingSyncFailed'));
    return true;
  },
  bitRot: never,
  silentDisk: never,
  stagingOnSource: never,
};

/** Where `count` sectors begin that the ordered writer does not use. */
function otherSector(disk: SimulatedDisk, count: number, random: Random): number {
  return random.between(RESERVED_SECTORS, disk.sectors - count);
}

/** Stories of their own tell these. */
function never(): boolean {
  return false;
}

/** These happen by themselves while there is load. */
function byLoad(prepare: (history: History) => void): Strike {
  return (history) => {
    prepare(history);
    history.load.writesPerSecond = Math.max(history.load.writesPerSecond, 20);
    return true;
  };
}

function liveLink(history: History): Link | null {
  const { agent } = history.source;
  const live = history.network.links.filter((link) => link.agentProcess === agent?.process && link.agent.open);
  return live.at(-1) ?? null;
}

function breakWith(fault: Fault, how: Break): Strike {
  return (history) => {
    const link = liveLink(history);
    if (link === null) return false;
    history.fired(fault);
    history.log(`the connection breaks: ${how}`);
    history.network.break(link, how);
    return true;
  };
}

function goAway(history: History, microseconds: number): void {
  history.network.unreachable = true;
  for (const link of history.network.links) history.network.break(link, 'reset');
  history.scheduler.after(microseconds, () => {
    history.network.unreachable = false;
  });
}

function loseWith(sign: LossSign): Strike {
  return onTrace(null, (buffer, _random, history) => {
    buffer.loseNextWrite(sign, () => {
      history.fired(sign);
      history.log(`an event was lost: ${sign}`);
    });
  });
}

function onTrace(fault: Fault | null, act: (buffer: TraceBuffer, random: Random, history: History) => void): Strike {
  return (history, random) => {
    const buffer = history.source.boot?.traceBuffer ?? null;
    if (buffer === null || buffer.removed) return false;
    if (fault !== null) {
      history.fired(fault);
      history.log(`trace: ${fault}`);
    }
    act(buffer, random, history);
    return true;
  };
}

function slowDown(history: History, random: Random, fault: Fault, microseconds: number): boolean {
  const disk = random.pick(history.source.disks);
  if (disk.readDelayMicroseconds > 0) return false;
  history.fired(fault);
  disk.readDelayMicroseconds = microseconds;
  history.scheduler.after(random.between(SECOND, 6 * SECOND), () => {
    disk.readDelayMicroseconds = 0;
  });
  return true;
}

/** What an operator does when a disk came back: the agent is started again. */
function restartAgentLater(history: History, random: Random): void {
  history.scheduler.after(random.between(SECOND, 4 * SECOND), () => history.source.agent?.process.kill('restarted'));
}
