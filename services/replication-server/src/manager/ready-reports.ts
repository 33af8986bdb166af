/**
 * Says to the manager that this server listens, where, and which addresses it has: every 30 s, and at once when an address
 * of the host has changed, since agents may be told one that is gone.
 */
import { statfs } from 'node:fs/promises';
import type { ReadyReport, ReplicationServerApi } from '@lms/api';
import { toLmsError } from '@lms/errors';
import { pause } from '@lms/service';
import type { Logger } from '@lms/telemetry';
import { ownAddresses } from '../own-addresses.ts';

const EVERY_MILLISECONDS = 30_000;
const LOOK_EVERY_MILLISECONDS = 3_000;
const RETRY_MILLISECONDS = 1_000;

export interface ReadyReportsOptions {
  readonly api: Pick<ReplicationServerApi, 'ready'>;
  /** Of which the free space is told. */
  readonly dataFolder: string;
  readonly where: Pick<ReadyReport, 'address' | 'port' | 'version'>;
  readonly logger: Logger;
  /** Default: of this host. */
  readonly addresses?: () => readonly string[];
  /** Default 3,000. */
  readonly lookEveryMilliseconds?: number;
}

/** Until the signal aborts. Never rejects. */
export async function keepReady(options: ReadyReportsOptions, signal: AbortSignal): Promise<void> {
  const {
    api,
    dataFolder,
    where,
    logger,
    addresses = ownAddresses,
    lookEveryMilliseconds = LOOK_EVERY_MILLISECONDS,
  } = options;
  let told: string | null = null;
  let toldAt = 0;
  let warned = false;
  let waitMilliseconds = 0;
  while (await pause(waitMilliseconds, signal)) {
    waitMilliseconds = lookEveryMilliseconds;
    const interfaceAddresses = [...addresses()];
    if (interfaceAddresses.join() === told && performance.now() - toldAt < EVERY_MILLISECONDS) continue;
    try {
      const space = await statfs(dataFolder);
      const freeBytes = space.bavail * space.bsize;
      const at = new Date().toISOString();
      await api.ready({ ...where, freeBytes, pid: process.pid, interfaceAddresses, at }, signal);
      told = interfaceAddresses.join();
      toldAt = performance.now();
      warned = false;
    } catch (thrown) {
      if (signal.aborted) return;
      if (!warned) logger.warn({ reason: toLmsError(thrown).message }, 'ready report not taken yet');
      warned = true;
      waitMilliseconds = RETRY_MILLISECONDS;
    }
  }
}
