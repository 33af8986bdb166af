import { afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { LmsError } from '@lms/errors';
import { ComponentService, LogsService } from '@lms/proto';
import { createRpcClient, RpcServer, type CallContext, type Handlers } from '@lms/rpc';
import { HEALTHY, unhealthy, type Health } from '@lms/service';
import { service as healthService } from 'grpc-health-check';
import { TestAuthority } from '../harness/certificates.ts';
import { until } from '../harness/until.ts';

jest.setTimeout(90_000);

type LogsHandlers = Handlers<typeof LogsService>;

let authority: TestAuthority;
const cleanUp: (() => Promise<void> | void)[] = [];

beforeAll(async () => {
  authority = await TestAuthority.create();
});
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

const EMPTY_QUERY = { source: '', id: '', limit: 0, beforePosition: 0n };

async function startServer(
  handlers: Partial<LogsHandlers>,
  health: () => Health = () => HEALTHY,
  listen = '127.0.0.1:0',
) {
  const server = new RpcServer({ component: 'log-ingest', listen, tls: await authority.service('log-ingest'), health });
  server.serve(LogsService, {
    appendLogs: () => Promise.resolve({}),
    queryLogs: () => Promise.resolve({ records: [], nextBeforePosition: 0n }),
    tailLogs: async function* () {},
    ...handlers,
  });
  await server.start();
  cleanUp.push(() => server.stop());
  return server;
}

async function connect(address: string, component = 'log-ingest', from = authority) {
  const client = createRpcClient(LogsService, { address, component, tls: await from.service('gateway') });
  cleanUp.push(() => client.close());
  return client;
}

test('an error arrives as it was thrown: code, message, field and action', async () => {
  const server = await startServer({
    queryLogs: () => Promise.reject(new LmsError('STAGING_FULL', 'no room', { action: 'Make room.', field: 'limit' })),
  });
  const failure = await (await connect(server.address)).queryLogs(EMPTY_QUERY).catch((thrown: unknown) => thrown);
  expect(failure).toBeInstanceOf(LmsError);
  expect(failure).toMatchObject({ code: 'STAGING_FULL', message: 'no room', action: 'Make room.', field: 'limit' });
});

test('a programmer error of the server is INTERNAL at the caller', async () => {
  const server = await startServer({ queryLogs: () => Promise.reject(new TypeError('undefined is not a function')) });
  await expect((await connect(server.address)).queryLogs(EMPTY_QUERY)).rejects.toMatchObject({ code: 'INTERNAL' });
});

test('the handler learns who calls, until when, and that the caller has gone', async () => {
  const seen = Promise.withResolvers<CallContext>();
  const gone = Promise.withResolvers<void>();
  const server = await startServer({
    queryLogs: async (_request, context) => {
      seen.resolve(context);
      context.signal.addEventListener('abort', () => gone.resolve());
      await gone.promise;
      return { records: [], nextBeforePosition: 0n };
    },
  });
  const giveUp = new AbortController();
  const call = (await connect(server.address)).queryLogs(EMPTY_QUERY, { signal: giveUp.signal });
  const failed = call.catch((thrown: unknown) => thrown);
  const context = await seen.promise;
  expect(context.peer).toBe('gateway');
  expect(context.deadline.getTime()).toBeGreaterThan(0);
  giveUp.abort();
  expect(await failed).toMatchObject({ code: 'CANCELLED' });
  await gone.promise;
});

test('a call that is not answered ends with DEADLINE_EXCEEDED', async () => {
  const server = await startServer({ queryLogs: () => new Promise(() => undefined) });
  const client = await connect(server.address);
  await expect(client.queryLogs(EMPTY_QUERY, { deadlineMilliseconds: 100 })).rejects.toMatchObject({
    code: 'DEADLINE_EXCEEDED',
  });
});

test('a call without a deadline is refused', async () => {
  const server = await startServer({});
  const tls = await authority.service('gateway');
  const client = new Client(
    server.address,
    credentials.createSsl(Buffer.from(tls.caPem), Buffer.from(tls.privateKeyPem), Buffer.from(tls.certificatePem)),
    { 'grpc.ssl_target_name_override': 'log-ingest.lms.internal' },
  );
  cleanUp.push(() => client.close());
  const { path, requestSerialize, responseDeserialize } = LogsService.queryLogs;
  const failure = await new Promise((resolve) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, EMPTY_QUERY, new Metadata(), resolve);
  });
  expect(failure).toMatchObject({ details: expect.stringContaining('without a deadline') });
});

test('a stream arrives in order, and ends at the server when its reader stops reading', async () => {
  const ended = Promise.withResolvers<void>();
  const server = await startServer({
    tailLogs: async function* (_request, context) {
      try {
        for (let position = 1n; !context.signal.aborted; position += 1n) {
          yield { records: [{ source: 'agent', id: 'm-1', record: undefined, position }] };
        }
      } finally {
        ended.resolve();
      }
    },
  });
  const positions: (bigint | undefined)[] = [];
  for await (const { records } of (await connect(server.address)).tailLogs({ source: '', id: '', backlog: 0 })) {
    positions.push(records[0]?.position);
    if (positions.length === 1_000) break;
  }
  expect(positions).toEqual(Array.from({ length: 1_000 }, (_, index) => BigInt(index + 1)));
  await ended.promise;
});

test('a failing stream fails at the reader with the error that was thrown', async () => {
  const server = await startServer({
    tailLogs: async function* () {
      yield { records: [] };
      throw new LmsError('DATA_LOSS', 'the log is gone', { action: 'Give up.' });
    },
  });
  const read = async (): Promise<void> => {
    for await (const answer of (await connect(server.address)).tailLogs({ source: '', id: '', backlog: 0 })) {
      expect(answer.records).toEqual([]);
    }
  };
  await expect(read()).rejects.toMatchObject({ code: 'DATA_LOSS', message: 'the log is gone', action: 'Give up.' });
});

test('neither a caller of another CA, nor a machine of the same one, nor a server with another name is spoken to', async () => {
  const server = await startServer({});
  const foreign = await connect(server.address, 'log-ingest', await TestAuthority.create());
  await expect(foreign.queryLogs(EMPTY_QUERY)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  const misled = await connect(server.address, 'registry');
  await expect(misled.queryLogs(EMPTY_QUERY)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});

test('nobody there is UNAVAILABLE at once, and a server that comes back on the same port is found again', async () => {
  const first = await startServer({});
  const { address } = first;
  const client = await connect(address);
  await client.queryLogs(EMPTY_QUERY);
  await first.stop();
  await expect(client.queryLogs(EMPTY_QUERY)).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
  await startServer({}, () => HEALTHY, address);
  await until('the call works again', () => client.queryLogs(EMPTY_QUERY));
});

test('a port that is in use is a clear error', async () => {
  const { address } = await startServer({});
  const second = new RpcServer({
    component: 'registry',
    listen: address,
    tls: await authority.service('registry'),
    health: () => HEALTHY,
  });
  await expect(second.start()).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
    message: `registry cannot listen on ${address}`,
  });
});

test('health and description follow the health of the service', async () => {
  let health = HEALTHY;
  const server = await startServer({}, () => health);
  const tls = await authority.service('manager');
  const component = createRpcClient(ComponentService, { address: server.address, component: 'log-ingest', tls });
  cleanUp.push(() => component.close());
  expect((await component.describeComponent({})).component).toEqual({
    name: 'log-ingest',
    pid: process.pid,
    healthy: true,
    detail: '',
  });
  const client = new Client(
    server.address,
    credentials.createSsl(Buffer.from(tls.caPem), Buffer.from(tls.privateKeyPem), Buffer.from(tls.certificatePem)),
    { 'grpc.ssl_target_name_override': 'log-ingest.lms.internal' },
  );
  cleanUp.push(() => client.close());
  const check = healthService['Check'];
  if (check === undefined || !('path' in check)) throw new Error('grpc.health.v1 has no Check');
  const status = () =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(
        check.path,
        check.requestSerialize,
        check.responseDeserialize,
        { service: '' },
        new Metadata(),
        { deadline: Date.now() + 10_000 },
        (failure, answer) => (failure === null ? resolve((answer as { status: string }).status) : reject(failure)),
      );
    });
  await until('it serves', async () => (await status()) === 'SERVING');
  health = unhealthy('no connection to NATS');
  await until('it does not serve', async () => (await status()) === 'NOT_SERVING');
  expect((await component.describeComponent({})).component?.detail).toBe('no connection to NATS');
});
