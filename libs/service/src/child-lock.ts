/**
 * A lock that lives exactly as long as a child process: we lock a file and let the child inherit the open descriptor.
 * When we are killed the child goes on holding it, and so the next one of us finds its orphan for certain: a pid alone
 * might belong to anybody by now, and a port that is in use says nothing about whose it is.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { LmsError } from '@lms/errors';
import { tryLock } from '@lms/linux';
import type { Logger } from '@lms/telemetry';
import { pause } from './back-off.ts';
import { processesWithOpenFile } from './lock-holders.ts';

const POLL_MILLISECONDS = 50;

export interface ChildLock {
  /** To be inherited by the child, and closed here once it has been. */
  readonly fileDescriptor: number;
  close(): void;
}

export interface ChildLockSettings {
  readonly path: string;
  /** As in logs: `nats-server`. */
  readonly name: string;
  /** How long an orphan may take to end by SIGTERM before it is killed. */
  readonly stopTimeoutMilliseconds: number;
  readonly logger: Logger;
}

/** Ends an orphan of an earlier process of ours first, when there is one. */
export async function takeChildLock(settings: ChildLockSettings, signal: AbortSignal): Promise<ChildLock> {
  const fileDescriptor = openSync(settings.path, constants.O_RDWR | constants.O_CREAT, 0o600);
  try {
    if (!tryLock(fileDescriptor)) await endOrphan(settings, fileDescriptor, signal);
  } catch (thrown) {
    closeSync(fileDescriptor);
    throw thrown;
  }
  return { fileDescriptor, close: () => closeSync(fileDescriptor) };
}

async function endOrphan(settings: ChildLockSettings, fileDescriptor: number, signal: AbortSignal): Promise<void> {
  const { path, name, stopTimeoutMilliseconds, logger } = settings;
  const killAt = Date.now() + stopTimeoutMilliseconds;
  const giveUpAt = killAt + stopTimeoutMilliseconds;
  const told = new Map<number, NodeJS.Signals>();
  while (!tryLock(fileDescriptor)) {
    const kind = Date.now() < killAt ? 'SIGTERM' : 'SIGKILL';
    for (const pid of processesWithOpenFile(path)) {
      if (told.get(pid) === kind) continue;
      told.set(pid, kind);
      logger.warn({ pid, signal: kind, child: name }, `a ${name} of an earlier process is still there and is ended`);
      endProcess(pid, kind);
    }
    if (Date.now() > giveUpAt) {
      throw new LmsError('FAILED_PRECONDITION', `a ${name} of an earlier process holds ${path} and does not end`, {
        action: `End it by hand: ${[...told.keys()].map((pid) => `kill -9 ${pid}`).join('; ') || `fuser ${path}`}`,
      });
    }
    if (!(await pause(POLL_MILLISECONDS, signal))) signal.throwIfAborted();
  }
}

function endProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended by itself.
  }
}
