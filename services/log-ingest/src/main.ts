import { runMain } from '@lms/service';
import { readLogIngestConfiguration } from './config.ts';
import { createLogIngestService } from './service.ts';

await runMain('log-ingest', () => createLogIngestService(readLogIngestConfiguration()));
