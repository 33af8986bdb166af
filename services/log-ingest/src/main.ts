import { withHealthPort } from '@lms/rpc';
import { runMain } from '@lms/service';
import { readLogIngestConfiguration } from './config.ts';
import { createLogIngestService } from './service.ts';

await runMain('log-ingest', () => withHealthPort(createLogIngestService(readLogIngestConfiguration())));
