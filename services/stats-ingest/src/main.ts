import { withHealthPort } from '@lms/rpc';
import { runMain } from '@lms/service';
import { readStatsIngestConfiguration } from './config.ts';
import { createStatsIngestService } from './service.ts';

await runMain('stats-ingest', () => withHealthPort(createStatsIngestService(readStatsIngestConfiguration())));
