/**
 * What the install script has left outside of the state folder, and its end.
 *
 * Situation: this program may run from the very folder that is removed; whatever is needed has been loaded by then, and the
 * kernel keeps an open file until it is closed. Mechanism: the script's own record, beside the packages, says what is there;
 * nothing is guessed, and nothing that is not in it is touched. Special cases: an agent of a repository, or with another
 * state folder than the record's, has no installation. Failure: each thing is removed if it is there, the record last, so
 * that a second call does the rest.
 */
import { existsSync, readFileSync, readlinkSync, readdirSync } from 'node:fs';
import { rm, rmdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { CommandError } from '@lms/command-line';
import { runTool } from './run-tool.ts';
import { realStatePath } from './state/runtime-names.ts';

const RECORD_FILE = 'installation';
const PACKAGE_FOLDER = /^agent-[0-9A-Za-z.+-]+$/;
const STOP_SECONDS = 90;
const POLL_MILLISECONDS = 100;

export interface Installation {
  /** Holds the packages, `current` and the record. */
  readonly folder: string;
  readonly stateDir: string;
  readonly command: string;
  readonly unit: string;
  readonly pidFile: string;
}

/** Null: this program is not one that the install script has put here, or the script's agent has another state folder. */
export function findInstallation(stateDir: string, programFolder: string = import.meta.dirname): Installation | null {
  // <folder>/agent-<version>/services/agent/src
  const folder = resolve(programFolder, '../../../..');
  let text: string;
  try {
    text = readFileSync(join(folder, RECORD_FILE), 'utf8');
  } catch {
    return null;
  }
  const fields = new Map(text.split('\n').map((line) => [line.split('=')[0], line.slice(line.indexOf('=') + 1)]));
  const [state, command, unit, pidFile] = ['state', 'command', 'unit', 'pid-file'].map((name) => fields.get(name));
  if (state === undefined || command === undefined || unit === undefined || pidFile === undefined) return null;
  if (realStatePath(state) !== realStatePath(stateDir)) return null;
  return { folder, stateDir: state, command, unit, pidFile };
}

/** Ends the agent that the installation runs; whoever started one by hand ends it himself. */
export async function stopInstalledAgent({ unit, pidFile }: Installation): Promise<void> {
  if (existsSync(unit)) await runTool('systemctl', ['disable', '--now', '--quiet', 'lms-agent.service']);
  const pid = supervisor(pidFile);
  if (pid === null) return;
  process.kill(pid, 'SIGTERM');
  const giveUpAt = performance.now() + STOP_SECONDS * 1_000;
  while (supervisor(pidFile) !== null) {
    if (performance.now() > giveUpAt) {
      throw new CommandError('failed', 'DEADLINE_EXCEEDED', `the agent (process ${pid}) does not stop`, {
        action: `End it, and run uninstall again.`,
      });
    }
    await pause(POLL_MILLISECONDS);
  }
}

/** Everything of it; returns the paths that were removed. */
export async function removeInstallation(installation: Installation): Promise<readonly string[]> {
  const { folder, stateDir, command, unit, pidFile } = installation;
  const removed: string[] = [];
  const remove = async (path: string): Promise<void> => {
    if (!existsSync(path) && linkTarget(path) === null) return;
    await rm(path, { recursive: true, force: true });
    removed.push(path);
  };
  const hadUnit = existsSync(unit);
  await remove(unit);
  if (hadUnit) await runTool('systemctl', ['daemon-reload']);
  for (const path of [pidFile, `${stateDir}.log`, `${stateDir}.log.1`]) await remove(path);
  if (linkTarget(command)?.startsWith(`${folder}/`) === true) await remove(command);
  await remove(join(folder, 'current'));
  for (const name of readdirSync(folder)) if (PACKAGE_FOLDER.test(name)) await remove(join(folder, name));
  await remove(join(folder, RECORD_FILE));
  if (readdirSync(folder).length === 0) {
    await rmdir(folder);
    removed.push(folder);
  }
  return removed;
}

/** Its pid while it runs. The number may be another program's by now: that has another command line. */
function supervisor(pidFile: string): number | null {
  try {
    const pid = Number.parseInt(readFileSync(pidFile, 'utf8'), 10);
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(pidFile) ? pid : null;
  } catch {
    return null;
  }
}

function linkTarget(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
