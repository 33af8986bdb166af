/** The replication server as a process: `node --import @lms/telemetry/preload main.ts --data-dir DIR …` (configuration.ts). */
import pino from 'pino';
import { withHealthPort } from '@lms/rpc';
import { runMain } from '@lms/service';
import { createLogger } from '@lms/telemetry';
import { parseConfiguration } from './configuration.ts';
import { LogUpload } from './manager/log-upload.ts';
import { ReplicationServer } from './replication-server.ts';

const logs = new LogUpload();
const standardError = pino.destination({ fd: 2, sync: true });
const logger = createLogger('replication-server', {
  destination: {
    write(line) {
      standardError.write(line);
      logs.write(line);
    },
  },
});

let server: ReplicationServer | null = null;
await runMain(
  'replication-server',
  () => {
    server = new ReplicationServer(parseConfiguration(process.argv.slice(2), process.env), logger, logs);
    return withHealthPort(server, { readiness: (served) => served.readiness() });
  },
  { logger, onReady: () => logger.info({ ...server?.address }, 'serving agents') },
);
