// Stands where `lms manager` starts its replication server, and starts it at another place, with further options.

import { spawn } from 'node:child_process';

interface Elsewhere {
  readonly through: readonly string[];
  readonly options: readonly string[];
}

const { through, options } = JSON.parse(process.env['LMS_TEST_ELSEWHERE'] ?? '') as Elsewhere;
const program = new URL('../../../services/replication-server/src/main.ts', import.meta.url).pathname;
const server = spawn(
  'setpriv',
  // It ends with this process, however that ends.
  ['--pdeathsig', 'TERM', '--', ...through, process.execPath, program, ...process.argv.slice(2), ...options],
  { stdio: 'inherit' },
);
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => server.kill(signal));
server.on('exit', (code) => process.exit(code ?? 1));
