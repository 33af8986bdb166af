// The driver `kubernetes` over a registry that answers at once: it is the driver that is measured.

import process from 'node:process';
import type { KubeConfig } from '@kubernetes/client-node';
import { CreateTokenResponse, GetTrustResponse } from '@lms/proto';
import { KubernetesDriver, parseKubernetesSettings } from '@lms/staging-controller';
import { createLogger } from '@lms/telemetry';
import { waitFor } from '../harness/condition.ts';
import { kubernetesSettings } from './kubernetes-settings.ts';
import { machineIdOf } from './machines.ts';
import { figure } from './report.ts';

export const NAMESPACE = 'scale';
/** Whose calls are counted. */
export const CONTROLLER_USER = 'controller';
export const OBJECTS_PER_MACHINE = 5;
export const LIMIT_MILLISECONDS = 3_600_000;
const DISK_BYTES = 100 * 1024 ** 3;

const registry = {
  createToken: () => Promise.resolve(CreateTokenResponse.fromPartial({ secret: 'token' })),
  getTrust: () => Promise.resolve(GetTrustResponse.fromPartial({ caSha256: '0'.repeat(64) })),
};

export function wantedMachines(count: number) {
  const machines = Array.from({ length: count }, (_, index) => {
    const machineId = machineIdOf(index);
    return [machineId, { machineId, diskBytes: [DISK_BYTES], calledAt: null }] as const;
  });
  return { machines: new Map(machines), removed: new Set<string>() };
}

export interface DriverOptions {
  readonly kubeConfig: KubeConfig;
  /** Who holds the lease. */
  readonly identity: string;
  /** Writes a second. */
  readonly requestsPerSecond: number;
}

export function createDriver({ kubeConfig, identity, requestsPerSecond }: DriverOptions): KubernetesDriver {
  const text = JSON.stringify(kubernetesSettings(NAMESPACE, requestsPerSecond));
  const kubernetes = { settings: parseKubernetesSettings(text, 'settings'), identity, kubeConfig };
  return new KubernetesDriver({ kubernetes, registry, logger: createLogger('scale') });
}

export async function waitLong(what: string, isSo: () => boolean): Promise<void> {
  await waitFor(what, isSo, { timeoutMilliseconds: LIMIT_MILLISECONDS, pollMilliseconds: 50 });
}

export function memory(): string {
  const { rss, heapUsed } = process.memoryUsage();
  return `resident ${Math.round(rss / 1024 ** 2)} MiB, heap ${Math.round(heapUsed / 1024 ** 2)} MiB`;
}

/** Of this process. */
export async function measureWork(work: () => Promise<void>): Promise<string> {
  const startedAt = performance.now();
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  const seconds = (performance.now() - startedAt) / 1_000;
  return `${figure(seconds)} s, ${figure((user + system) / 1e6)} s of processor time`;
}
