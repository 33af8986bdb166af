/**
 * Processor and I/O priority of every thread of this process. Linux keeps both per thread, and Node reads disks on
 * threads of a pool: so all of `/proc/self/task` is set. A thread started later inherits from the one that starts it.
 */
import { readdirSync } from 'node:fs';
import { declareSystemCall } from './c-library.ts';
import { SystemError } from './system-error.ts';

const systemCall = declareSystemCall('long syscall(long number, long first, long second, long third)');
const setPriority = declareSystemCall('int setpriority(int which, uint who, int priority)');

/** `ioprio_set` has no function in the C library, and its number differs between architectures. */
const IOPRIO_SET_NUMBERS: Readonly<Partial<Record<NodeJS.Architecture, number>>> = { x64: 251, arm64: 30, riscv64: 30 };
const IOPRIO_WHO_PROCESS = 1;
const IOPRIO_CLASS_SHIFT = 13;
const PRIO_PROCESS = 0;
const ESRCH = 3;

export const IO_CLASSES = { none: 0, realtime: 1, bestEffort: 2, idle: 3 } as const;

export interface Priority {
  /** -20 (first) to 19 (last); 0 is normal. */
  readonly nice: number;
  readonly ioClass: keyof typeof IO_CLASSES;
  /** Of the main thread, where it differs. */
  readonly mainThreadNice?: number;
}

/**
 * Idle I/O and the last place for the processor: the agent's own work never stands in its host's way (R17).
 *
 * The main thread reads the trace rings. At nice 19, on processors that are all busy, it came too late for 110,000 writes
 * a second (rings of 4 MiB overran, which means RESCAN); at nice 10 it did not, with 1.2 % of a processor.
 */
export const BACKGROUND_PRIORITY: Priority = { nice: 19, mainThreadNice: 10, ioClass: 'idle' };
/** Guardian and reads in the window: the sooner they end, the shorter the pause. */
export const NORMAL_PRIORITY: Priority = { nice: 0, ioClass: 'none' };

export function setProcessPriority(priority: Priority): void {
  const { mainThreadNice = priority.nice } = priority;
  for (const name of readdirSync('/proc/self/task')) {
    const threadId = Number(name);
    setThreadPriority(threadId, threadId === process.pid ? { ...priority, nice: mainThreadNice } : priority);
  }
}

/** Priority of the thread with this id; 0 is the calling thread. */
export function setThreadPriority(threadId: number, { nice, ioClass }: Priority): void {
  ignoreEndedThread(`setpriority to ${nice}`, setPriority.attempt(PRIO_PROCESS, threadId, nice));
  const number = IOPRIO_SET_NUMBERS[process.arch];
  if (number === undefined) return;
  const value = IO_CLASSES[ioClass] << IOPRIO_CLASS_SHIFT;
  ignoreEndedThread(`ioprio_set to ${ioClass}`, systemCall.attempt(number, IOPRIO_WHO_PROCESS, threadId, value));
}

/** A thread may end between its listing and its turn. */
function ignoreEndedThread(what: string, result: number): void {
  if (result < 0 && result !== -ESRCH) throw new SystemError(what, -result);
}
