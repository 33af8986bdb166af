/** Routes that change, and processes that die, while agents are connected through the router. */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { until } from '../harness/until.ts';
import { isAlive, type ReplicationServerEnd } from './block-stream-ends.ts';
import { route, RouterFixture } from './router-fixture.ts';

jest.setTimeout(180_000);

const [ONE, TWO, THREE] = ['m-11111111111111111111', 'm-22222222222222222222', 'm-33333333333333333333'];
const MANY = 10_000;

let fixture: RouterFixture;
let first: ReplicationServerEnd;

async function begin(settings: Readonly<Record<string, string>> = {}, routesInAPart?: number): Promise<void> {
  fixture = await RouterFixture.start(settings, routesInAPart);
  first = await fixture.ends.listen(ONE);
  fixture.staging.set(route(ONE, first.listener.port));
  await fixture.ready();
}

beforeEach(() => {
  first = { listener: first?.listener, accepted: [], refused: [] };
});
afterEach(async () => {
  expect(await fixture.cleanup.run()).toEqual([]);
});

const connected = (machineId: string) =>
  until(`${machineId} gets through`, async () => {
    const connection = await fixture.ends.connect(fixture.port, machineId);
    return (await isAlive(connection)) && connection;
  });

const refused = (machineId: string) =>
  until(`${machineId} is refused`, () =>
    fixture.ends.connect(fixture.port, machineId).then(
      (connection) => {
        connection.close();
        return false;
      },
      () => true,
    ),
  );

test('a live session survives every change of routes, its own among them; new connections follow the change', async () => {
  await begin();
  const agent = await connected(ONE);
  const second = await fixture.ends.listen(TWO);
  const moved = await fixture.ends.listen(ONE);
  fixture.staging.set(route(TWO, second.listener.port), route(ONE, moved.listener.port));
  await connected(TWO);
  await until('the machine is led to the new place', async () => {
    const connection = await fixture.ends.connect(fixture.port, ONE);
    await isAlive(connection);
    connection.close();
    return moved.accepted.length > 0;
  });
  fixture.staging.remove(TWO);
  await refused(TWO);
  fixture.staging.remove(ONE);
  await refused(ONE);
  expect(await isAlive(agent)).toBe(true);
});

test('HAProxy that is killed comes back with the routes of now, also with those that changed meanwhile', async () => {
  await begin();
  await connected(ONE);
  await fixture.killHaproxy();
  await until('the router says so', () => fixture.health?.healthy === false);
  const second = await fixture.ends.listen(TWO);
  fixture.staging.set(route(TWO, second.listener.port));
  fixture.staging.set(route(ONE, first.listener.port, ''));
  fixture.startHaproxy();
  await connected(TWO);
  await refused(ONE);
  await fixture.ready();
  fixture.staging.set(route(ONE, first.listener.port));
  await connected(ONE);
});

test('the program beside HAProxy can be started anew: nothing is lost, and what changed meanwhile is made up for', async () => {
  await begin();
  const agent = await connected(ONE);
  const second = await fixture.ends.listen(TWO);
  fixture.staging.set(route(TWO, second.listener.port));
  const other = await connected(TWO);
  await fixture.stopRouter();
  fixture.staging.remove(TWO);
  const third = await fixture.ends.listen(THREE);
  fixture.staging.set(route(THREE, third.listener.port));
  await connected(ONE);
  await fixture.startRouter();
  await connected(THREE);
  await refused(TWO);
  expect(await Promise.all([isAlive(agent), isAlive(other)])).toEqual([true, true]);
});

test('without staging-controller DNS says where a replication server is, and its return takes that back', async () => {
  await begin();
  const { port } = first.listener;
  const moved = await fixture.ends.listen(ONE, { host: '127.0.0.2', port });
  await first.listener.close();
  await fixture.staging.stop();
  fixture.names.addresses.set(`rs-${ONE}.ns.svc.cluster.test`, '127.0.0.2');
  await connected(ONE);
  expect(moved.accepted.length).toBeGreaterThan(0);
  // DNS is wrong now, and the controller knows better.
  fixture.names.addresses.set(`rs-${ONE}.ns.svc.cluster.test`, '127.0.0.3');
  fixture.staging.set(route(ONE, port, '127.0.0.2'));
  await fixture.staging.start();
  const before = moved.accepted.length;
  await connected(ONE);
  expect(moved.accepted.length).toBeGreaterThan(before);
});

test('ten thousand routes are told once, and a change among them counts', async () => {
  await begin({}, 500);
  const all = Array.from({ length: MANY }, (_, index) => route(`m-${String(index).padStart(20, '0')}`, 9, '127.0.0.9'));
  fixture.staging.set(...all.slice(0, MANY / 2));
  fixture.staging.set(...all.slice(MANY / 2));
  const second = await fixture.ends.listen(TWO);
  fixture.staging.set(route(TWO, second.listener.port));
  await connected(TWO);
  await connected(ONE);
  await fixture.killHaproxy();
  fixture.startHaproxy();
  await connected(ONE);
  await fixture.ready();
  expect(fixture.health).toEqual({ healthy: true, detail: null });
});

test('one address that opens too many connections is held back, and its others go on', async () => {
  await begin({ LMS_ROUTER_CONNECTIONS_PER_SOURCE_MAX: '3' });
  const agents = [await connected(ONE), await connected(ONE), await connected(ONE)];
  await refused(ONE);
  expect(await Promise.all(agents.map(isAlive))).toEqual([true, true, true]);
  agents[0]?.close();
  await connected(ONE);
});
