// Connects to 1500 with one machine's certificate and asks for a machine by its server name. Prints `accepted`, or the code
// and the sentence that it was refused with.
//
//   node probe-block-stream.fixture.ts STATE-FOLDER HOST PORT MACHINE-ID

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { connectBlockStream } from '@lms/block-stream';
import { blockStreamServerName } from '@lms/identity';

const TIMEOUT_MILLISECONDS = 30_000;

const [folder = '', host = '', port = '', machineId = ''] = process.argv.slice(2);
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');

const connection = await connectBlockStream({
  host,
  port: Number(port),
  serverName: blockStreamServerName(machineId),
  ca: read('ca.pem'),
  key: read('key.pem'),
  cert: read('certificate.pem'),
  signal: AbortSignal.timeout(TIMEOUT_MILLISECONDS),
});
// In TLS 1.3 the client is done before the server has looked at its certificate: what it thinks of it comes as the first
// frame, an error or, to somebody who is accepted and says nothing, a heartbeat.
const frame = await connection.receive();
process.stdout.write(frame?.type === 'error' ? `${frame.code}: ${frame.message}\n` : `${frame?.type ?? 'closed'}\n`);
process.exit();
