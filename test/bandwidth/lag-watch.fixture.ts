// What an operator sees of a machine's lag, ten times a second, as JSON lines: `node lag-watch.fixture.ts CONTEXT MACHINE`, on a host
// that reaches the manager. Ends with SIGTERM.

import { readFileSync } from 'node:fs';
import { OperatorApi, type OperatorOptions } from '@lms/api';
import { pause } from '@lms/service';

const LOOK_MILLISECONDS = 100;

const [contextPath = '', machine = ''] = process.argv.slice(2);
const api = new OperatorApi(JSON.parse(readFileSync(contextPath, 'utf8')) as OperatorOptions);
const ended = new AbortController();
process.on('SIGTERM', () => ended.abort());
while (!ended.signal.aborted) {
  try {
    const { lagSeconds, replicationState, lastPoint, backlogBytes } = await api.machine(machine, ended.signal);
    const look = {
      atSeconds: Date.now() / 1000,
      lagSeconds,
      replicationState,
      backlogBytes,
      point:
        lastPoint === null
          ? null
          : { sequence: lastPoint.sequence, instantSeconds: Date.parse(lastPoint.createdAt) / 1000 },
    };
    process.stdout.write(`${JSON.stringify(look)}\n`);
    await pause(LOOK_MILLISECONDS, ended.signal);
  } catch (thrown) {
    if (!ended.signal.aborted) process.stderr.write(`${String(thrown)}\n`);
  }
}
await api.close();
