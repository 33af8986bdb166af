// The services at their work on a NATS under the chart's authorization: nothing that they need is refused them, and
// nothing is granted that they do not need.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { AgentApi, enrolAgent, type AgentStatistics } from '@lms/api';
import { EventConnection } from '@lms/events';
import { certificateSha256, createCertificateRequest, createPrivateKeyPem, makeAssertion } from '@lms/identity';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { Cleanup } from '../harness/cleanup.ts';
import { waitFor } from '../harness/condition.ts';
import { ServiceProcesses, type ServiceName } from '../integration/harness/service-processes.ts';
import { TemporaryFolder } from '../integration/harness/temporary-folder.ts';
import { AuthorizedNats, covers, rightsOf, type UserRights } from './harness/authorized-nats.ts';

const LIMIT_MILLISECONDS = 240_000;
const never = new AbortController().signal;
const DISKS = [{ diskId: 'serial-1', device: '/dev/sda', sizeBytes: 1_048_576 }];
const CONSUMERS = ['stats-ingest', 'staging-controller'];
/** Rights that the work below need not use, and what for they are. */
const RESERVES: readonly { readonly right: RegExp; readonly why: string }[] = [
  { right: /API\.STREAM\.(CREATE|UPDATE|INFO)\./, why: 'whoever comes first makes a stream, the others look at it' },
  { right: /API\.CONSUMER\.(DELETE|INFO)\./, why: 'a reader that has missed something begins anew' },
  { right: /^\$JS\.FC\./, why: 'a bucket with more than a client takes at once' },
  { right: /API\.DIRECT\.GET\./, why: 'a write that lost a race reads the winner' },
  {
    right: /^\$KV\.LMS_(POINTS|REMOVED_MACHINES|STAGING_REMOVALS)\.>$/,
    why: 'a point is committed, a machine is removed',
  },
  { right: /^lms\.v1\.sighting\./, why: 'several staging-controllers on Kubernetes' },
];
/** What nobody may: it would undo what others have stored, or show what is theirs. */
const NOBODY_PUBLISHES = [
  ...['LMS_EVENTS', 'LMS_LOGS', 'KV_LMS_TOKENS', 'KV_LMS_ASSIGNMENTS'].flatMap((stream) => [
    `$JS.API.STREAM.DELETE.${stream}`,
    `$JS.API.STREAM.PURGE.${stream}`,
    `$JS.API.STREAM.MSG.GET.${stream}`,
    `$JS.API.STREAM.MSG.DELETE.${stream}`,
    `$JS.API.STREAM.SNAPSHOT.${stream}`,
  ]),
  ...['$JS.API.STREAM.LIST', '$JS.API.STREAM.CREATE.OTHER', '$SYS.REQ.SERVER.PING', 'anything', '_INBOX.operator.1'],
];
const NOBODY_SUBSCRIBES = ['>', '_INBOX.>', '$KV.>', '$JS.>', 'lms.v1.>', 'lms.v1.event.>', 'lms.v1.log.>'];
const POINT = { consistency: 'crash', timeoutSeconds: 60 } as const;
const MALFORMED = 'lms.v1.event.machine-changed.m-00000000000000000000';

const cleanup = new Cleanup();
let folder: TemporaryFolder;
let nats: AuthorizedNats;
let services: ServiceProcesses;

beforeAll(async () => {
  folder = await TemporaryFolder.create();
  cleanup.add('remove the folder', () => folder[Symbol.asyncDispose]());
  nats = await AuthorizedNats.start(folder.path);
  cleanup.add('stop NATS', () => nats[Symbol.asyncDispose]());
  const users: readonly ServiceName[] = ['registry', 'stats-ingest', 'log-ingest', 'staging-controller'];
  for (const user of users)
    await writeFile(join(folder.path, `${user}.password`), nats.password(user), { mode: 0o600 });
  services = await ServiceProcesses.start(
    folder.path,
    { options: { servers: [nats.url], user: '', password: '', replicas: 1 } },
    cleanup,
    {
      environment: (name) => ({
        LMS_NATS_USER: name,
        LMS_NATS_PASSWORD_FILE: join(folder.path, `${name}.password`),
        LMS_NATS_TLS_CA: nats.caFile,
      }),
    },
  ).catch((thrown: unknown) => {
    throw new Error(`the services do not start; NATS has refused: ${nats.refusals().join('\n') || 'nothing'}`, {
      cause: thrown,
    });
  });
}, LIMIT_MILLISECONDS);
afterAll(async () => {
  expect(await cleanup.run()).toEqual([]);
}, LIMIT_MILLISECONDS);

async function enrol(): Promise<AgentApi> {
  const managerUrl = services.managerUrl;
  const caPem = await services.managerCa();
  const privateKeyPem = await createPrivateKeyPem();
  const { token } = await services.operator.createToken({}, never);
  const request = {
    token,
    csrPem: await createCertificateRequest(privateKeyPem),
    name: 'source',
    version: '1.0.0',
    disks: DISKS,
    inventory: { hostName: 'source' },
  };
  const { certificatePem } = await enrolAgent(managerUrl, caPem, request, never);
  const caSha256 = certificateSha256(caPem);
  const signAssertion = () => makeAssertion({ privateKeyPem, certificatePem, caSha256 });
  return new AgentApi({ managerUrl, caPem, signAssertion, retries: 0 });
}

function sample(): AgentStatistics {
  return {
    at: new Date().toISOString(),
    state: 'CONTINUOUS',
    stallCause: null,
    stallDetail: null,
    detail: null,
    disks: [{ diskId: 'serial-1', replicatedBytes: 1_000_000, backlogBytes: 48_576, tracker: 'trace' }],
    bytesReadSource: 1,
    bytesSentWire: 2,
    bytesRaw: 3,
    chunksRaw: 4,
    chunksCompressed: 5,
    trackerLosses: 0,
    lastPauseMicroseconds: null,
    residentBytes: 6,
    cpuSeconds: 0.5,
  };
}

async function machineOf(name: string): Promise<string> {
  return (await services.operator.machine(name, never)).id;
}

function connectAs(user: string): Promise<NatsConnection> {
  return connect({
    servers: [nats.url],
    user,
    pass: nats.password(user),
    name: `test as ${user}`,
    tls: { caFile: nats.caFile },
    inboxPrefix: `_INBOX.${user}`,
    reconnect: false,
  });
}

test(
  'every service does all of its work, and NATS refuses it nothing',
  async () => {
    await waitFor('all services to be healthy', async () => (await services.status()).healthy);
    const agent = await enrol();
    cleanup.add('close the agent', () => agent.close());
    const machineId = await machineOf('source');
    await agent.heartbeat({ version: '1.0.0', bootId: 'boot', disks: DISKS }, never);
    await agent.statistics([sample()], never);
    await agent.logs([{ at: new Date().toISOString(), level: 'info', message: 'hello' }], never);
    await waitFor('its log', async () => (await services.operator.logs({ id: machineId }, never)).records.length > 0);
    await waitFor('its statistics', async () => {
      const { samples } = await services.operator.machineStatistics(machineId, {}, never);
      return samples.length > 0;
    });
    // Its replication server, which the driver for one host starts: staging-controller's own state and facts.
    await waitFor('its initiation', async () => {
      const { steps } = await services.operator.initiation(machineId, never);
      return steps.some(({ state }) => state === 'SUCCEEDED');
    });
    const { operationId } = await services.operator.createPoint(machineId, POINT, 'key-1', never);
    expect((await services.operator.operation(operationId, 0, never)).operationId).toBe(operationId);
    const blockStream = { private: { host: 'private.test', port: 1500 } };
    await services.operator.changeMachineSettings(machineId, { freezing: false, blockStream }, never);
    await waitFor('the address to take effect', () =>
      nats.published().get('staging-controller')?.has(`$KV.LMS_BLOCK_STREAM_WAYS.${machineId}`),
    );
    await services.operator.changeSettings({ compression: 'off' }, never);
    expect(nats.refusals()).toEqual([]);
  },
  LIMIT_MILLISECONDS,
);

test(
  'what a consumer cannot handle becomes a dead letter, and NATS refuses it nothing',
  async () => {
    const registry = await connectAs('registry');
    cleanup.add('close the connection', () => registry.close());
    registry.publish(MALFORMED, '{');
    await waitFor('both consumers to give it up', () =>
      CONSUMERS.every((user) => nats.published().get(user)?.has(`lms.v1.dead-letter.${user}`) === true),
    );
    expect(nats.refusals()).toEqual([]);
  },
  LIMIT_MILLISECONDS,
);

test(
  '`helm test` connects as its own user',
  async () => {
    const events = { servers: [nats.url], user: 'check', password: nats.password('check'), replicas: 1 };
    const connection = await EventConnection.connect({ ...events, tlsCaFile: nats.caFile }, 'check', never);
    await connection.close();
    expect(nats.refusals()).toEqual([]);
  },
  LIMIT_MILLISECONDS,
);

test(
  'all go on when NATS was away, and NATS refuses them nothing',
  async () => {
    await nats.restart();
    await waitFor('all services to be healthy again', async () => (await services.status()).healthy);
    const { token } = await services.operator.createToken({}, never);
    expect(token).not.toBe('');
    expect(nats.refusals()).toEqual([]);
  },
  LIMIT_MILLISECONDS,
);

test('every right that a user has was used by the work above, or it is known what for', () => {
  const published = nats.published();
  for (const [user, { publish }] of rightsOf(nats.configuration)) {
    const used = [...(published.get(user) ?? [])];
    const unused = publish.filter((right) => !used.some((subject) => covers(right, subject)));
    expect([user, unused.filter((right) => !RESERVES.some((reserve) => reserve.right.test(right)))]).toEqual([
      user,
      [],
    ]);
  }
});

test('replicas of staging-controller tell each other what they were told', async () => {
  const [one, other] = [await connectAs('staging-controller'), await connectAs('staging-controller')];
  const told = other.subscribe('lms.v1.sighting.staging', { max: 1 });
  await other.flush();
  one.publish('lms.v1.sighting.staging', 'seen');
  for await (const message of told) expect(message.string()).toBe('seen');
  await one.close();
  await other.close();
  expect(nats.refusals()).toEqual([]);
});

const rights = (): ReadonlyMap<string, UserRights> => rightsOf(nats.configuration);

/** Subjects that stand for what all users may, and nobody else. */
function subjectsOfOthers(user: string): readonly string[] {
  const own = rights().get(user)?.publish ?? [];
  const all = [...rights().values()].flatMap(({ publish }) => publish.map((right) => right.replaceAll(/[>*]/g, 'x')));
  return [...new Set(all)].filter((subject) => !own.some((right) => covers(right, subject)));
}

test.each(['registry', 'stats-ingest', 'log-ingest', 'staging-controller', 'check'])(
  '%s is refused what is for others',
  async (user) => {
    const connection = await connectAs(user);
    const before = nats.refusals().length;
    const forbidden = [...subjectsOfOthers(user), ...NOBODY_PUBLISHES];
    for (const subject of forbidden) connection.publish(subject);
    const inboxes = [...rights().keys()].filter((other) => other !== user).map((other) => `_INBOX.${other}.>`);
    const unheard = [...NOBODY_SUBSCRIBES, ...inboxes];
    for (const subject of unheard) connection.subscribe(subject, { callback: () => undefined });
    await connection.flush();
    await waitFor('all to be refused', () => nats.refusals().length >= before + forbidden.length + unheard.length);
    const refused = nats.refusals().slice(before).join('\n');
    for (const subject of [...forbidden, ...unheard]) expect(refused).toContain(`Subject "${subject}"`);
    await connection.close();
  },
  LIMIT_MILLISECONDS,
);

test('whoever has no password, or that of another, is nobody', async () => {
  const options = { servers: [nats.url], tls: { caFile: nats.caFile }, reconnect: false };
  const wrong = [
    {},
    { user: 'registry', pass: nats.password('check') },
    { user: 'lms', pass: nats.password('registry') },
  ];
  for (const credentials of wrong)
    await expect(connect({ ...options, ...credentials })).rejects.toThrow(/authorization/i);
});
