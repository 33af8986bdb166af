// How much each part holds, measured with the real programs on one machine: `node test/scale/main.ts PART [NUMBER…]`. It is
// no part of `make test`: the figures stand in docs/scale.md, with what follows from them.

import process from 'node:process';
import { measureController } from './controller.ts';
import { runDriver } from './driver-process.ts';
import { measureGateway } from './gateway.ts';
import { measureNats } from './nats.ts';
import { measurePods } from './pods.ts';
import { measureReplicationServer } from './replication-server.ts';
import { measureRouter } from './router.ts';

const PARTS: Readonly<Record<string, (parameters: readonly string[]) => Promise<void>>> = {
  controller: measureController,
  pods: measurePods,
  gateway: measureGateway,
  nats: measureNats,
  router: measureRouter,
  'replication-server': measureReplicationServer,
};

/** Of `pods`, which starts it. */
const INNER_PARTS: typeof PARTS = { driver: runDriver };

const [part = '', ...parameters] = process.argv.slice(2);
// A number alone: what this program measured at first.
const measure = /^\d+$/.test(part) ? PARTS['controller'] : (PARTS[part] ?? INNER_PARTS[part]);
if (measure === undefined) {
  process.stderr.write(`usage: node test/scale/main.ts ${Object.keys(PARTS).join('|')} [NUMBER…]\n`);
  process.exit(2);
}
await measure(/^\d+$/.test(part) ? [part, ...parameters] : parameters);
