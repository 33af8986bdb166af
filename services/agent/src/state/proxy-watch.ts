/**
 * Notices that `lms-agent configure` has changed the proxies, so that a running agent need not be started anew.
 *
 * The file is replaced by a rename, so its inode says it. Looked at rather than watched: it may be on any file system, and
 * reading its attributes waits for nobody, also while that one is frozen (R17).
 */
import { stat } from 'node:fs/promises';
import { toLmsError } from '@lms/errors';
import { pause } from '@lms/service';
import type { Logger } from '@lms/telemetry';
import type { AgentProxies } from './agent-proxies.ts';
import type { StateFolder } from './state-folder.ts';

const LOOK_EVERY_MILLISECONDS = 1_000;

export interface ProxyWatchParts {
  readonly state: Pick<StateFolder, 'proxiesFile' | 'proxies'>;
  /** What is in use at the start. */
  readonly present: AgentProxies;
  readonly onChange: (proxies: AgentProxies) => void;
  readonly logger: Pick<Logger, 'warn'>;
}

/** Until the signal aborts. Never rejects. */
export async function watchProxies(
  { state, present, onChange, logger }: ProxyWatchParts,
  signal: AbortSignal,
): Promise<void> {
  let seen: string | null = null;
  let { changedAt } = present;
  do {
    const now = await fingerprintOf(state.proxiesFile);
    if (now === seen) continue;
    try {
      const proxies = await state.proxies();
      seen = now;
      if (proxies.changedAt === changedAt) continue;
      changedAt = proxies.changedAt;
      onChange(proxies);
    } catch (thrown) {
      // Said once; what is in use stays.
      seen = now;
      logger.warn(`the proxies were not changed: ${toLmsError(thrown).message}`);
    }
  } while (await pause(LOOK_EVERY_MILLISECONDS, signal));
}

async function fingerprintOf(path: string): Promise<string> {
  try {
    const { ino, mtimeMs, size } = await stat(path);
    return `${ino} ${mtimeMs} ${size}`;
  } catch {
    return 'not there';
  }
}
