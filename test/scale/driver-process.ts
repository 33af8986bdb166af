// A controller in a process of its own, so that it can be killed, and its memory is its own. It says how it is when it is
// asked; `node test/scale/main.ts driver` is for `pods` alone.

import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import process from 'node:process';
import { KubeConfig } from '@kubernetes/client-node';
import { cpuSeconds, residentMebibytes } from '../bench/meter.ts';
import { waitFor } from '../harness/condition.ts';
import type { KubeApiServer } from '../harness/kube-api-server.ts';
import { createDriver, CONTROLLER_USER, LIMIT_MILLISECONDS, NAMESPACE, wantedMachines } from './controller-process.ts';

const KUBECONFIG_VARIABLE = 'LMS_SCALE_KUBECONFIG';
const POLL_MILLISECONDS = 250;

export interface DriverState {
  readonly leads: boolean;
  readonly idle: boolean;
  /** Machines whose pods run. */
  readonly running: number;
  readonly heapMebibytes: number;
}

export class DriverProcess {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Wants so many machines from its start on. */
  static start(server: KubeApiServer, identity: string, machines: number, requestsPerSecond: number): DriverProcess {
    const kubeConfig = server.auditedConfig(CONTROLLER_USER, NAMESPACE).exportConfig();
    const parameters = ['driver', identity, String(machines), String(requestsPerSecond)];
    const env = { ...process.env, [KUBECONFIG_VARIABLE]: kubeConfig, LMS_LOG_LEVEL: 'warn' };
    return new DriverProcess(fork(join(import.meta.dirname, 'main.ts'), parameters, { env }));
  }

  get cpuSeconds(): number {
    return cpuSeconds(this.#child.pid ?? 0);
  }

  get residentMebibytes(): number {
    return residentMebibytes(this.#child.pid ?? 0);
  }

  async state(): Promise<DriverState> {
    const answered = once(this.#child, 'message');
    this.#child.send('state');
    const [state] = (await answered) as [DriverState];
    return state;
  }

  async until(what: string, isSo: (state: DriverState) => boolean): Promise<DriverState> {
    return waitFor(
      what,
      async () => {
        const state = await this.state();
        return isSo(state) && state;
      },
      { timeoutMilliseconds: LIMIT_MILLISECONDS, pollMilliseconds: POLL_MILLISECONDS },
    );
  }

  /** SIGTERM: it gives the lease back. SIGKILL: it does not. */
  async end(signal: NodeJS.Signals): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill(signal);
    await ended;
  }
}

/** The child's side. */
export async function runDriver([identity = '', count = '', requestsPerSecond = '']: readonly string[]): Promise<void> {
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromString(process.env[KUBECONFIG_VARIABLE] ?? '');
  const driver = createDriver({ kubeConfig, identity, requestsPerSecond: Number(requestsPerSecond) });
  const wanted = wantedMachines(Number(count));
  await driver.start();
  driver.run(wanted);
  process.on('message', () => {
    const servers = [...wanted.machines.keys()].map((machineId) => driver.observe(driver.serverOf(machineId)));
    const state: DriverState = {
      leads: driver.leads,
      idle: driver.leads && driver.idle,
      running: servers.filter((server) => server?.running === true).length,
      heapMebibytes: process.memoryUsage().heapUsed / 1024 ** 2,
    };
    process.send?.(state);
  });
  process.once('disconnect', () => process.exit());
  process.once('SIGTERM', () => void driver.stop().then(() => process.exit()));
}
