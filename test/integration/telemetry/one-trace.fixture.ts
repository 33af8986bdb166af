/**
 * A span, an HTTPS request, a gRPC call, a fact and its consumer, in one process: prints the trace's id, logs one line.
 * Standard input: JSON of TLS files and where NATS is.
 */
import fastify from 'fastify';
import { text } from 'node:stream/consumers';
import { Agent, fetch } from 'undici';
import { EventConnection, FactConsumer, publishFact } from '@lms/events';
import { LogsService } from '@lms/proto';
import { createRpcClient, RpcServer, type TlsMaterial } from '@lms/rpc';
import { HEALTHY } from '@lms/service';
import { activeTraceparent, createLogger, nameHttpSpan, shutdownTelemetry, tracer, withSpan } from '@lms/telemetry';

interface Input {
  readonly tls: TlsMaterial;
  readonly nats: {
    readonly servers: string[];
    readonly user: string;
    readonly password: string;
    readonly replicas: number;
  };
}

const { tls, nats } = JSON.parse(await text(process.stdin)) as Input;
const logger = createLogger('fixture');
const connection = await EventConnection.connect(nats, 'fixture', new AbortController().signal);
const consumed = Promise.withResolvers<void>();
const consumer = await FactConsumer.start(connection, {
  name: 'fixture',
  kinds: ['point-deleted'],
  handle: () => {
    logger.info('handled');
    consumed.resolve();
    return Promise.resolve();
  },
});

const server = new RpcServer({ component: 'log-ingest', listen: '127.0.0.1:0', tls, health: () => HEALTHY });
server.serve(LogsService, {
  appendLogs: async () => {
    const fact = { $case: 'pointDeleted', value: { sequence: 1n } } as const;
    await publishFact(connection, { occurredAt: new Date(), machineId: 'm-1', fact }, { messageId: 'one' });
    return {};
  },
  queryLogs: () => Promise.resolve({ records: [], nextBeforePosition: 0n }),
  tailLogs: async function* () {},
});
await server.start();
const client = createRpcClient(LogsService, { address: server.address, component: 'log-ingest', tls });

const gateway = fastify({ https: { key: tls.privateKeyPem, cert: tls.certificatePem } });
gateway.post('/v1/things/:id', async () => {
  nameHttpSpan('POST', '/v1/things/{id}');
  await client.appendLogs({ source: 'agent', id: 'm-1', batch: [] });
  return {};
});
const url = await gateway.listen({ port: 0, host: '127.0.0.1' });

const dispatcher = new Agent({ connect: { ca: tls.caPem, servername: 'log-ingest.lms.internal' } });
await withSpan(tracer('fixture'), 'point.create', {}, async () => {
  process.stdout.write(`${activeTraceparent()?.split('-')[1] ?? 'none'}\n`);
  const answer = await fetch(`${url}/v1/things/7`, { method: 'POST', dispatcher });
  if (answer.status !== 200) throw new Error(`HTTP ${answer.status}: ${await answer.text()}`);
  await answer.text();
});
await consumed.promise;
await consumer.stop();
await gateway.close();
await dispatcher.close();
client.close();
await server.stop();
await connection.close();
await shutdownTelemetry();
// As runMain does: a collector that is away must not hold a process.
process.exit();
