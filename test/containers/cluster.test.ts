// The services from their images against a NATS cluster of three: whatever is killed, what was acknowledged is there.

import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { createDispatcher, fetchManagerCa, type OperatorApi, type PageQuery } from '@lms/api';
import { readStream, type EventConnection } from '@lms/events';
import { ReportAgentStatisticsRequest } from '@lms/proto';
import { request } from 'undici';
import type { Docker } from '../../scripts/images/docker.ts';
import { Cleanup } from '../harness/cleanup.ts';
import { openImages } from '../images/built-images.ts';
import { until } from '../integration/harness/until.ts';
import { ManagerContainers, NATS_NODES, PLAIN_PORT, REPLICAS, SERVICES } from './manager-containers.ts';
import { Writer } from './writer.ts';

jest.setTimeout(600_000);

const never = new AbortController().signal;
const WRITES_MEANWHILE = 5;
const PAGE_SIZE = 200;

const cleanup = new Cleanup();
let docker: Docker;
let manager: ManagerContainers;
let operator: OperatorApi;
let events: EventConnection;

beforeAll(async () => {
  docker = await openImages();
  cleanup.add('end the daemon', () => docker.close());
  manager = await ManagerContainers.start(docker, cleanup);
  operator = manager.operator();
  events = await manager.events(AbortSignal.timeout(60_000));
});
afterAll(async () => {
  expect(await cleanup.run()).toEqual([]);
});

test('every service is ready by its health port, and the manager is whole', async () => {
  for (const service of SERVICES) await manager.part(service).untilServing();
  const status = await until('all are healthy', async () => {
    const told = await operator.status(AbortSignal.timeout(20_000));
    return told.healthy && told;
  });
  expect(status.components.map(({ name }) => name)).toEqual(expect.arrayContaining([...SERVICES, 'nats']));
});

test('the gateway answers over TLS with a certificate of its CA, and without TLS to an ingress', async () => {
  expect(await fetchManagerCa(manager.managerUrl, manager.caSha256)).toBe(manager.caPem);
  const dispatcher = createDispatcher(manager.caPem);
  const plain = `http://${manager.part('gateway').address(PLAIN_PORT)}`;
  try {
    for (const url of [manager.managerUrl, plain]) {
      const ca = await request(`${url}/v1/ca`, { dispatcher });
      expect(ca.statusCode).toBe(200);
      expect(await ca.body.json()).toEqual({ certificatePem: manager.caPem, sha256: manager.caSha256 });
      const status = await request(`${url}/v1/status`, { dispatcher });
      expect(status.statusCode).toBe(401);
      expect(status.headers['content-type']).toContain('application/problem+json');
      await status.body.dump();
    }
  } finally {
    await dispatcher.destroy();
  }
});

test('one node of NATS after the other is killed, then registry and gateway: nothing that was acknowledged is lost', async () => {
  const writer = new Writer(manager);
  try {
    await writer.untilMore(WRITES_MEANWHILE, 'while nothing is wrong');
    for (const node of NATS_NODES) {
      await manager.part(node).kill();
      await writer.untilMore(WRITES_MEANWHILE, `without ${node}`);
      await manager.part(node).startAgain();
      await until(`every stream to be on ${node} again`, everyReplicaIsCurrent);
    }
    for (const service of ['registry', 'gateway'] as const) {
      await manager.part(service).kill();
      await manager.part(service).startAgain();
      await writer.untilMore(WRITES_MEANWHILE, `after ${service} came back`);
    }
  } finally {
    await writer.stop();
  }
  const { tokens, machines, samples } = writer.acknowledged;
  expect(samples.length).toBeGreaterThanOrEqual(6 * WRITES_MEANWHILE);
  expect(without(tokens, await listTokens())).toEqual([]);
  expect(without(machines, await listMachines())).toEqual([]);
  const stored = await storedSamples();
  expect(samples.filter((sample) => stored.filter((other) => other === sample).length !== 1)).toEqual([]);
  const told = await enrolledMachines();
  expect(machines.filter((machine) => told.filter((other) => other === machine).length !== 1)).toEqual([]);
  expect(await everyReplicaIsCurrent()).toBe(true);
});

function without(wanted: readonly string[], found: readonly string[]): readonly string[] {
  return wanted.filter((id) => !found.includes(id));
}

async function listTokens(): Promise<string[]> {
  return pages(async (query) => {
    const { tokens, nextPageToken } = await operator.listTokens(query, never);
    return { ids: tokens.map(({ id }) => id), nextPageToken };
  });
}

async function listMachines(): Promise<string[]> {
  return pages(async (query) => {
    const { machines, nextPageToken } = await operator.listMachines(query, never);
    return { ids: machines.map(({ id }) => id), nextPageToken };
  });
}

async function pages(
  ask: (query: PageQuery) => Promise<{ ids: readonly string[]; nextPageToken: string | null }>,
): Promise<string[]> {
  const found: string[] = [];
  let query: PageQuery = { pageSize: PAGE_SIZE };
  for (;;) {
    const { ids, nextPageToken } = await ask(query);
    found.push(...ids);
    if (nextPageToken === null) return found;
    query = { pageSize: PAGE_SIZE, pageToken: nextPageToken };
  }
}

/** `MACHINE AT` of all that the stream holds, as often as it holds it. */
async function storedSamples(): Promise<string[]> {
  const found: string[] = [];
  const settings = { subjects: ['lms.v1.stats.agent.>'], signal: never };
  for await (const { payload } of readStream(events, 'LMS_STATISTICS', settings)) {
    const { machineId, batch } = ReportAgentStatisticsRequest.decode(payload);
    for (const { at } of batch) found.push(`${machineId} ${at?.toISOString()}`);
  }
  return found;
}

/** The registry tells an enrolment after it is in the state, so the fact may come a little later than the answer. */
async function enrolledMachines(): Promise<string[]> {
  const found: string[] = [];
  const settings = { subjects: ['lms.v1.event.machine-enrolled.>'], signal: never };
  for await (const { subject } of readStream(events, 'LMS_EVENTS', settings))
    found.push(subject.split('.').at(-1) ?? '');
  return found;
}

async function everyReplicaIsCurrent(): Promise<boolean> {
  for await (const { config, cluster } of events.manager.streams.list()) {
    const others = cluster?.replicas ?? [];
    const current = others.filter((replica) => replica.current && replica.offline !== true);
    if (config.num_replicas !== REPLICAS || current.length !== REPLICAS - 1) return false;
  }
  return true;
}
