import type { Result } from '@lms/command-line';
import { runtimeFolder } from '../kernel/index.ts';
import { runtimeId } from '../state/runtime-names.ts';
import { StateFolder } from '../state/state-folder.ts';
import { readRunningStatus, statusResult } from '../status-report.ts';

export async function runStatus(stateDir: string): Promise<Result> {
  const state = new StateFolder(stateDir);
  return statusResult({
    stateDir: state.path,
    identity: await state.identity(),
    pid: state.holder(),
    removal: await state.findRemoval(),
    running: readRunningStatus(runtimeFolder(runtimeId(state.path))),
    proxies: await state.proxies().catch(() => null),
  });
}
