import { afterEach, expect, test } from '@jest/globals';
import { Metadata } from '@grpc/grpc-js';
import { ComponentService } from '@lms/proto';
import { withHealthPort } from '@lms/rpc';
import { HEALTHY, unhealthy, type Health, type Service } from '@lms/service';
import { findFreePort } from '../../harness/free-port.ts';
import { HealthClient } from '../harness/health-client.ts';
import { until } from '../harness/until.ts';

const never = new AbortController().signal;
const cleanUp: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

class SlowService implements Service {
  readonly name = 'registry';
  readonly started = Promise.withResolvers<void>();
  readonly stopped = Promise.withResolvers<void>();
  current: Health = HEALTHY;

  start(): Promise<void> {
    return this.started.promise;
  }

  stop(): Promise<void> {
    return this.stopped.promise;
  }

  health(): Health {
    return this.current;
  }
}

async function connect() {
  const address = `127.0.0.1:${await findFreePort()}`;
  const health = new HealthClient(address);
  cleanUp.push(() => health.close());
  const status = (service: string): Promise<string> => health.status(service);
  return { environment: { LMS_HEALTH_LISTEN: address }, client: health.client, status };
}

test('a service that still waits at its start is alive and not ready; then readiness follows its health', async () => {
  const { environment, status } = await connect();
  const service = new SlowService();
  const served = withHealthPort(service, { environment });
  const starting = served.start(never);
  await until('it is alive', async () => (await status('liveness')) === 'SERVING');
  expect(await status('readiness')).toBe('NOT_SERVING');
  service.started.resolve();
  await starting;
  expect(await status('readiness')).toBe('SERVING');
  expect(await status('')).toBe('SERVING');
  service.current = unhealthy('no connection to NATS');
  await until('it is not ready', async () => (await status('readiness')) === 'NOT_SERVING');
  expect(await status('liveness')).toBe('SERVING');
  service.current = HEALTHY;
  await until('it is ready again', async () => (await status('readiness')) === 'SERVING');

  const stopping = served.stop();
  expect(await status('readiness')).toBe('NOT_SERVING');
  expect(await status('liveness')).toBe('SERVING');
  service.stopped.resolve();
  await stopping;
  await expect(status('liveness')).rejects.toMatchObject({ code: 14 });
});

test('readiness can be something else than health', async () => {
  const { environment, status } = await connect();
  const service = new SlowService();
  service.started.resolve();
  service.stopped.resolve();
  service.current = unhealthy('the manager does not answer');
  const served = withHealthPort(service, { environment, readiness: () => HEALTHY });
  cleanUp.push(() => served.stop());
  await served.start(never);
  expect(await status('readiness')).toBe('SERVING');
  expect(served.health()).toEqual(service.current);
});

test('whoever is not known, and whatever is not health, has no answer there', async () => {
  const { environment, client, status } = await connect();
  const service = new SlowService();
  service.started.resolve();
  service.stopped.resolve();
  const served = withHealthPort(service, { environment });
  cleanUp.push(() => served.stop());
  await served.start(never);
  await expect(status('lms.v1.Registry')).rejects.toMatchObject({ code: 5 });
  const { path, requestSerialize, responseDeserialize } = ComponentService.describeComponent;
  const failure = await new Promise((resolve) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, {}, new Metadata(), resolve);
  });
  expect(failure).toMatchObject({ code: 12 });
});

test('without LMS_HEALTH_LISTEN there is no port, and a port in use or an address that is none is a clear error', async () => {
  const service = new SlowService();
  expect(withHealthPort(service, { environment: {} })).toBe(service);
  expect(() => withHealthPort(service, { environment: { LMS_HEALTH_LISTEN: '8081' } })).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', field: 'LMS_HEALTH_LISTEN' }),
  );
  const { environment } = await connect();
  service.started.resolve();
  service.stopped.resolve();
  const first = withHealthPort(service, { environment });
  cleanUp.push(() => first.stop());
  await first.start(never);
  await expect(withHealthPort(service, { environment }).start(never)).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
  });
});
