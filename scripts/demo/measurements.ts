// The figures of the demo, from what the agent and the replication server report and from /proc.

import { readFileSync } from 'node:fs';
import type { Status } from '@lms/api';
import type { Agent } from '../../test/harness/agent.ts';
import type { Manager } from '../../test/harness/manager.ts';
import { mebibytes, quantile } from './narrator.ts';

const MEBIBYTE = 1024 * 1024;

interface LogRecord {
  readonly message?: string;
  readonly seconds?: number;
  readonly bytesScanned?: number;
}

export interface InitialSync {
  readonly seconds: number;
  readonly bytesScanned: number;
}

/** The agent says itself how long it took, from the first byte read to the last one durable. */
export function initialSyncOf(log: string): InitialSync | null {
  for (const line of log.split('\n')) {
    if (!line.includes('initial sync is complete')) continue;
    const { seconds, bytesScanned } = JSON.parse(line) as LogRecord;
    if (seconds !== undefined && bytesScanned !== undefined) return { seconds, bytesScanned };
  }
  return null;
}

export interface Measured {
  readonly manager: Manager;
  readonly agent: Agent;
  readonly machineName: string;
  readonly initialSync: InitialSync | null;
  readonly lagSeconds: readonly number[];
  readonly status: Status;
}

function residentMebibytes(pid: number): string {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return kibibytes === undefined ? 'unknown' : `${(Number(kibibytes) / 1024).toFixed(0)} MiB`;
}

export async function describeMeasurements(measured: Measured): Promise<string> {
  const { manager, agent, machineName, initialSync, lagSeconds, status } = measured;
  const { samples } = await manager.ask(async (api, signal) => api.machineStatistics(machineName, {}, signal));
  const last = samples.at(-1);
  const lines: string[] = [];
  if (initialSync !== null) {
    const rate = initialSync.bytesScanned / MEBIBYTE / initialSync.seconds;
    lines.push(
      `initial sync    ${mebibytes(initialSync.bytesScanned)} in ${initialSync.seconds.toFixed(1)} s: ${rate.toFixed(0)} MiB/s`,
    );
  }
  lines.push(
    `lag under load  p50 ${quantile(lagSeconds, 0.5).toFixed(1)} s, worst ${Math.max(...lagSeconds).toFixed(1)} s (age of the newest point)`,
  );
  if (last !== undefined) {
    const { bytesReadSource, bytesRaw, bytesSentWire, trackerLosses } = last;
    lines.push(
      `bytes           ${mebibytes(bytesReadSource ?? Number.NaN)} read at the source, ${mebibytes(bytesRaw ?? Number.NaN)} of them not zero and new, ${mebibytes(bytesSentWire ?? Number.NaN)} on the wire`,
      `tracking        lost ${trackerLosses ?? 'unknown'} times`,
    );
  }
  const pauses = samples.flatMap(({ lastPauseMicroseconds }) =>
    lastPauseMicroseconds === null || lastPauseMicroseconds === 0 ? [] : [lastPauseMicroseconds / 1000],
  );
  if (pauses.length > 0) lines.push(`freeze pause    worst ${Math.max(...pauses).toFixed(0)} ms`);
  const replicationServer = status.components.find(({ name }) => name === 'replication-server')?.pid ?? null;
  lines.push(
    `memory          agent ${residentMebibytes(agent.process.pid)}, replication server ${replicationServer === null ? 'unknown' : residentMebibytes(replicationServer)}, manager ${residentMebibytes(manager.process.pid)}`,
  );
  return lines.join('\n');
}
